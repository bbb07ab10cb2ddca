/** A demo backend: each response says since when the process runs. */
import { createServer } from 'node:http';

const startedAt = new Date().toISOString();

const server = createServer((req, res) => {
  const respond = () => res.end(`${req.url} from a backend that runs since ${startedAt}\n`);
  setTimeout(respond, req.url === '/up' ? 0 : 500);
});
server.listen(Number(process.env.PORT ?? 3000));

// Requests in flight finish.
process.once('SIGTERM', () => server.close());
