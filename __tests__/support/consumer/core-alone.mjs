// Runs where express, http-proxy-middleware and commander are traps that say when they are loaded.
import { createAntract } from 'antract';
import holdOne from './hold-one.cjs';

await holdOne(createAntract);
createAntract().admin();
console.log(JSON.stringify(globalThis.loaded ?? []));
