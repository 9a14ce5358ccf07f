// The package's main entry: the engine and its errors.

export type { KvDType } from './backends/backend.ts';
export * from './engine/index.ts';
export * from './errors/index.ts';
export {
  createMemoryView,
  type EventViewer,
  emptySnapshot,
  type GroupView,
  type MemoryView,
  type OctavoEvent,
  type RecordingLine,
  readRecording,
  type SequenceView,
  type Snapshot,
  type ViewerBatch,
  type ViewOptions,
} from './events/index.ts';
export type { ChatMessage } from './models/chat-template.ts';
export type { ModelConfig } from './models/model.ts';
export type { Detokenizer, EncodeOptions, Tokenizer } from './models/tokenizers/tokenizer.ts';
