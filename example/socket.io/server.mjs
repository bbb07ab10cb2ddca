/**
 * antract in a Socket.IO app. `io.attach(server)` would take the requests of Socket.IO from the server ahead
 * of any middleware, so the engine of Socket.IO gets them here after antract.
 */
import { createServer } from 'node:http';
import { createAntract } from 'antract';
import { Server as Engine } from 'engine.io';
import express from 'express';
import { Server } from 'socket.io';

const antract = createAntract({
  // A drain closes connections after all other requests have ended. Their clients reconnect, and are held.
  longLived: 'close',
  // WebSockets are recognised. A long poll looks like any slow request.
  isLongLived: '/socket.io/',
});

const io = new Server();
io.on('connection', (socket) => {
  socket.on('say', (text, acknowledge) => {
    io.emit('said', text);
    acknowledge();
  });
});
const engine = new Engine();
io.bind(engine);

const app = express();
app.use(antract.pause());
app.use('/_antract', antract.admin());
app.use('/socket.io/', (req, res) => engine.handleRequest(req, res));

const server = createServer(app);
// Middleware never sees a WebSocket handshake.
server.on(
  'upgrade',
  antract.upgrade((req, socket, head) => engine.handleUpgrade(req, socket, head)),
);
server.listen(Number(process.env.PORT ?? 8082), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

process.once('SIGTERM', () => {
  server.close();
  engine.close();
  void antract.close();
});
