// Events of the memory manager and the scheduler; nothing here needs Node, so that pages can use it.

export { type BlockJournal, createBlockJournal } from './block-journal.ts';
export { emptySnapshot } from './empty-snapshot.ts';
export * from './hub.ts';
export { createKeyedHash, type HashKey, type KeyedHash } from './keyed-hash.ts';
export * from './memory-view.ts';
export * from './recording.ts';
export * from './types.ts';
