// Holds and releases one request through a `node:http` server: enough to see that the package works.
// CommonJS, so that both kinds of consumer can use it.
const { once } = require('node:events');
const { createServer } = require('node:http');

module.exports = async function holdOne(createAntract) {
  const antract = createAntract();
  const pause = antract.pause();
  const server = createServer((req, res) => pause(req, res, () => res.end('let through')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  await antract.enable();
  const held = new Promise((resolve) => antract.once('held', resolve));
  const answer = fetch(`http://127.0.0.1:${server.address().port}/`);
  await held;
  const { held: heldAtDisable } = await antract.disable();
  const body = await (await answer).text();

  await antract.close();
  server.close();
  server.closeAllConnections();
  return { heldAtDisable, body };
};
