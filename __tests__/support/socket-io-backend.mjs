/**
 * A socket.io server and, on `/chat`, a bare WebSocket one, in a process of their own, to be killed:
 * `socket-io-backend.mjs <port> <journal>`. Each message is put down in the journal, a file, before it
 * is acknowledged. Tells its parent its port.
 */
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { WebSocketServer } from 'ws';

const [, , port, journal] = process.argv;

const note = (message, transport) =>
  appendFileSync(journal, `${JSON.stringify({ message, transport, pid: process.pid })}\n`);

const server = createServer();

const io = new Server(server, { serveClient: false, destroyUpgrade: false });
io.on('connection', (socket) => {
  socket.on('say', (message, acknowledge) => {
    note(message, socket.conn.transport.name);
    acknowledge(message);
  });
});

const chat = new WebSocketServer({ noServer: true });
server.on('upgrade', (req, socket, head) => {
  if (req.url !== '/chat') return;
  chat.handleUpgrade(req, socket, head, (client) => {
    client.on('message', (data) => {
      note(String(data), 'ws');
      client.send(String(data));
    });
  });
});

server.listen(Number(port), '127.0.0.1', () => process.send({ port: server.address().port }));
// An aborted test run leaves no process behind.
process.on('disconnect', () => process.exit());
