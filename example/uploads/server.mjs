/** Uploads that arrive during a pause: antract keeps their bodies, and multer reads them afterwards. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { pipeline } from 'node:stream/promises';
import { createAntract } from 'antract';
import express from 'express';
import multer from 'multer';

const antract = createAntract({
  // The rest of a body that is longer than `memory` goes to a temporary file.
  spool: { memory: '64kb', maxBody: '100mb' },
  // A drain waits for uploads. It ends those that send less than 500 bytes/s with 408.
  drainMinBodyRate: 500,
});
const upload = multer({ dest: tmpdir(), limits: { fileSize: 100 * 1024 * 1024 } });

const app = express();
app.use(antract.pause()); // ahead of multer, which reads the body
app.use('/_antract', antract.admin());
app.post('/files', upload.single('file'), async ({ file }, res) => {
  if (!file) return res.status(400).send('Send a form with a file in the field `file`.\n');
  const hash = createHash('sha256');
  await pipeline(createReadStream(file.path), hash);
  await unlink(file.path);
  return res.send(`${hash.digest('hex')}  ${file.originalname}\n`);
});

const server = createServer(app);
antract.attach(server); // a client that asks with `Expect: 100-continue` sends its body after the pause
server.requestTimeout = 0; // else Node answers 408 to an upload that takes longer than 5 minutes
server.listen(Number(process.env.PORT ?? 8082), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

process.once('SIGTERM', () => {
  server.close();
  void antract.close();
});
