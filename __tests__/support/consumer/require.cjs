const { createAntract } = require('antract');
const { createGateway } = require('antract/gateway');
const manifest = require('antract/package.json');
const holdOne = require('./hold-one.cjs');

async function main() {
  const outcome = await holdOne(createAntract);
  console.log(
    JSON.stringify({ ...outcome, gateway: typeof createGateway, version: manifest.version }),
  );
}

void main();
