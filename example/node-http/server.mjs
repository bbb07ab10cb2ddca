/** antract in a server of `node:http`, without a framework and without mounting. */
import { createServer } from 'node:http';
import { createAntract } from 'antract';

// What you pause for: held requests wait until it accepts connections, such as DATABASE=127.0.0.1:5432.
const database = process.env.DATABASE;
const antract = createAntract({ probe: database ? { connect: database } : undefined });
const pause = antract.pause();
const admin = antract.admin();

/** Your app. */
function answer(req, res) {
  const heldMs = Number(req.headers['x-antract-held-ms'] ?? 0);
  res.end(`Hello! antract held this request for ${heldMs} ms.\n`);
}

const server = createServer((req, res) => {
  if (/^\/_antract([/?]|$)/.test(req.url)) {
    // admin() expects the path below its mount path in `url`, as Express and Connect set it.
    req.originalUrl = req.url;
    req.url = req.url.replace(/^\/_antract\/?/, '/');
    admin(req, res);
  } else {
    pause(req, res, () => answer(req, res));
  }
});
server.listen(Number(process.env.PORT ?? 8082), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

process.once('SIGTERM', () => {
  server.close();
  void antract.close();
});
