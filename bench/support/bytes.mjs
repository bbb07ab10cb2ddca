/** Writes large bodies, as fast as they are taken. */
import { once } from 'node:events';

const CHUNK = 64 * 1024;
// The bytes repeat after 251, and 251 does not divide a chunk: a lost or repeated chunk changes the hash.
const pattern = Buffer.from(Array.from({ length: CHUNK * 2 }, (_, index) => (index * 31) % 251));

/** Ends `stream` after `bytes` bytes. */
export async function sendBytes(stream, bytes, hash) {
  for (let sent = 0; sent < bytes;) {
    const start = sent % 251;
    const chunk = pattern.subarray(start, start + Math.min(CHUNK, bytes - sent));
    hash?.update(chunk);
    sent += chunk.length;
    if (!stream.write(chunk)) await once(stream, 'drain');
  }
  stream.end();
}
