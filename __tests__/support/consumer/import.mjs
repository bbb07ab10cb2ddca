import { createAntract } from 'antract';
import { createGateway } from 'antract/gateway';
import manifest from 'antract/package.json' with { type: 'json' };
import holdOne from './hold-one.cjs';

const outcome = await holdOne(createAntract);
console.log(
  JSON.stringify({ ...outcome, gateway: typeof createGateway, version: manifest.version }),
);
