/// <reference types="node" preserve="true" />
/** What `antract/store-contract` exports, nothing else. */
export {
  storeContract,
  type LinkedStores,
  type StoreContractOptions,
} from './stores/contract/suite.ts';
