/// <reference types="node" preserve="true" />
/** The public exports of `antract/store-contract`. */
export {
  storeContract,
  type LinkedStores,
  type StoreContractOptions,
} from './stores/contract/suite.ts';
