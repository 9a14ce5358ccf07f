// The file system as the file tier uses it: injected, so that tests can fail, tear and lose any single operation.

/** An open file. Positions and lengths of a direct file are multiples of IO_ALIGNMENT, its buffers aligned. */
export interface TierFile {
  /** Whether transfers go past the system's cache. */
  readonly isDirect: boolean;
  sizeBytes(): Promise<number>;
  /** Fills buffers in order from `position` on. The number of bytes read: fewer at the end of the file. */
  read(buffers: readonly Uint8Array[], position: number): Promise<number>;
  /** The number of bytes written, which may be fewer than there are. */
  write(buffers: readonly Uint8Array[], position: number): Promise<number>;
  /** Cuts off, or extends with zeros that may not have space on the disk yet. */
  resize(bytes: number): Promise<void>;
  /** What was written survives a crash of the system afterwards. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Rejections are Node's: errors with a `code` (ENOENT, ENOSPC, EIO, ...). */
export interface TierFiles {
  makeFolder(path: string): Promise<void>;
  /** Names in a folder. */
  list(folder: string): Promise<string[]>;
  /** Opens for reading and writing. `wantsDirect`: past the system's cache if that works here. ENOENT unless `creates`. */
  open(path: string, options: { readonly wantsDirect: boolean; readonly creates: boolean }): Promise<TierFile>;
  rename(from: string, to: string): Promise<void>;
  /** No error if there is none. */
  remove(path: string): Promise<void>;
  /** Entries of the folder survive a crash of the system afterwards. */
  syncFolder(path: string): Promise<void>;
  /** Takes the lock file of a folder for this process, also from a process that is gone. Null: a living one holds it. */
  lock(path: string): Promise<TierLock | null>;
}

export interface TierLock {
  release(): Promise<void>;
}

/** The `code` of what a file operation threw, or its text. */
export function faultOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : String(message ?? error);
}

export function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(faultOf(error));
}
