// The engine layer: the public API of Octavo as a library.

export type * from './api.ts';
export { createEngine } from './create-engine.ts';
export type { KvCacheDtype } from './kv-cache-dtype.ts';
