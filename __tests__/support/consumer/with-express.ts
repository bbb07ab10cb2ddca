// What the README shows, with Express and its types.
import { createAntract, hostApp } from 'antract';
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';

const app = express();
const antract = createAntract({ healthCheckPath: ['/healthz', /^\/up$/] });

app.use(antract.pause());
app.use(antract.pause({ app: 'shop' }));
app.use(antract.pause({ app: (req) => req.hostname }));
app.use(antract.pause({ app: hostApp }));
app.use('/_antract', antract.admin({ token: 'secret', metrics: {} }));
app.get('/orders', antract.pause(), (_req, res) => {
  res.send('let through');
});

express.Router().use(antract.pause({ app: 'orders' }));

const proxy = createProxyMiddleware({ target: 'http://127.0.0.1:3000' });
app.listen(8082).on('upgrade', antract.upgrade(proxy.upgrade));
