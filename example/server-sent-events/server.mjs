/** Event streams that survive a pause: their clients reconnect, and get what they have missed. */
import { createAntract } from 'antract';
import express from 'express';

// A drain closes event streams after all other requests have ended. Browsers then reconnect, and are held.
const antract = createAntract({ longLived: 'close' });

const MAX_EVENTS = 1000;
const events = []; // the last ones, for clients that reconnect
const streams = new Set();
let lastId = 0;

function send(res, { id, text }) {
  // JSON has no line break, which would end the event.
  res.write(`id: ${id}\ndata: ${JSON.stringify(text)}\n\n`);
}

const app = express();
app.use(antract.pause());
app.use('/_antract', antract.admin());

app.get('/events', (req, res) => {
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  res.write('retry: 1000\n\n');
  // EventSource sends the id of the last event that it got.
  const seen = Number(req.get('last-event-id') ?? lastId);
  for (const event of events.filter(({ id }) => id > seen)) send(res, event);
  streams.add(res);
  res.once('close', () => streams.delete(res));
});

app.post('/events', express.text(), (req, res) => {
  const event = { id: ++lastId, text: req.body };
  events.push(event);
  if (events.length > MAX_EVENTS) events.shift();
  for (const stream of streams) send(stream, event);
  res.send(`event ${event.id}\n`);
});

const server = app.listen(Number(process.env.PORT ?? 8082), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

process.once('SIGTERM', () => {
  server.close();
  for (const stream of streams) stream.end();
  void antract.close();
});
