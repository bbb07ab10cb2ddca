// Clients as users make them, by library.
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';

const connected = async (client) => {
  client.on('error', () => {});
  await client.connect();
  return { client, end: async () => void (client.isOpen && client.destroy()) };
};

const listening = (client) => {
  client.on('error', () => {});
  return { client, end: async () => client.disconnect() };
};

const libraries = {
  'node-redis': (url) => connected(createClient({ url })),
  ioredis: async (url) => listening(new Redis(url)),
  'node-redis cluster': (url) => connected(createCluster({ rootNodes: [{ url }] })),
  'ioredis cluster': async (url) => listening(new Cluster([url])),
};

export const createRedisClient = (library, url) => libraries[library](url);
