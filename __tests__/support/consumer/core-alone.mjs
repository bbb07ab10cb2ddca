// Runs where express, http-proxy-middleware and commander are traps that say when they are loaded.
import { createAntract } from 'antract';
import holdOne from './hold-one.cjs';

await holdOne(createAntract);
console.log('without admin:', JSON.stringify(globalThis.loaded ?? []));
try {
  createAntract().admin();
} catch {
  // The trap is no Express; what counts is that it was asked for.
}
console.log('with admin:', JSON.stringify(globalThis.loaded ?? []));
