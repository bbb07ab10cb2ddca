/** antract in a Fastify app. The plugin middie lets Fastify use middleware. */
import middie from '@fastify/middie';
import { createAntract } from 'antract';
import fastify from 'fastify';

// What you pause for: held requests wait until it accepts connections, such as DATABASE=127.0.0.1:5432.
const database = process.env.DATABASE;
const antract = createAntract({ probe: database ? { connect: database } : undefined });

const app = fastify();
await app.register(middie); // runs middleware before Fastify reads the body
app.use(antract.pause());
app.use('/_antract', antract.admin());

app.get('/', (req) => {
  const heldMs = Number(req.headers['x-antract-held-ms'] ?? 0);
  return `Hello! antract held this request for ${heldMs} ms.\n`;
});

// Before Fastify waits for the requests in flight: held requests get a 503 with Retry-After.
app.addHook('preClose', () => antract.close());
process.once('SIGTERM', () => void app.close());

const url = await app.listen({ port: Number(process.env.PORT ?? 8082), host: '127.0.0.1' });
console.log(`listening on ${url}`);
