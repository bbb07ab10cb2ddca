/** Runs the contract of a store: `npm test`. */
import { describe, it } from 'node:test';
import { storeContract } from 'antract/store-contract';
import { HttpStore } from './http-store.mjs';
import { startStoreServer } from './store-server.mjs';

storeContract(
  'HttpStore',
  async (count) => {
    const { server, url } = await startStoreServer();
    const stores = Array.from({ length: count }, () => new HttpStore(url));
    return {
      stores,
      async close() {
        await Promise.all(stores.map((store) => store.close()));
        server.close();
        server.closeAllConnections();
      },
    };
  },
  { describe, it },
);
