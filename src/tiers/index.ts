// Where pages live when they are not on the device.

export { alignUp, allocatePages } from '../tensor/aligned-memory.ts';
export { createPageCodec } from './compress/page-codec.ts';
export { type FileTierOptions, openFileTier } from './file/file-tier.ts';
export { openFileTiers } from './file/group-folders.ts';
export { createNodeFiles } from './file/node-files.ts';
export type { TierFile, TierFiles, TierLock } from './file/tier-files.ts';
export { type GuardOptions, guardTier } from './guarded-tier.ts';
export { createHostTier, type HostTier, type HostTierOptions } from './host/host-tier.ts';
export { type ChecksumFunction, checksumBytes } from './page-checksum.ts';
export type { CompressedForm, PageCodec, PageShape } from './page-codec.ts';
export { formatPageKey, PAGE_KEY_WORDS, type PageKey, pageKey, writePageKey } from './page-key.ts';
export {
  openSession,
  type SavedSession,
  type SessionContent,
  type SessionIdentity,
  type SessionPages,
  saveSession,
} from './session-file.ts';
export * from './tier.ts';
export { createTierStack, type StackFigures, type TierStack, type TierStackOptions } from './tier-stack.ts';
