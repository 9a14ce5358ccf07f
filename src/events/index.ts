// Events of the memory manager and the scheduler; nothing here needs Node, so that pages can use it.

export {
  createMemoryView,
  type EvictedContent,
  emptySnapshot,
  type GroupView,
  type MemoryView,
  type SequenceView,
} from './memory-view.ts';
export * from './recording.ts';
export * from './types.ts';
