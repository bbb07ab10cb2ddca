// A CommonJS module in TypeScript: `require()` of a package that is ESM only.
import { createAntract } from 'antract';
import gateway = require('antract/gateway');

export const status = createAntract().status('default');
export const start: typeof gateway.createGateway = gateway.createGateway;
