// The page table: the flat block table that kernels read, kept up to date by changes, never rebuilt.

/** Counters since start, as of a TLB. */
export interface PageTableCounters {
  /** Entries that a step could use as they were. */
  readonly hits: number;
  /** Entries written. */
  readonly updates: number;
  /** Entries that were overwritten or removed. */
  readonly invalidations: number;
}

/** Rows of block ids, one row for each sequence that holds memory; unused entries are -1. */
export interface PageTable {
  /** [rowCount][stride], row-major. */
  readonly entries: Int32Array;
  readonly stride: number;
  readonly rowCount: number;
  readonly freeRowCount: number;
  readonly counters: PageTableCounters;
  /** An empty row, or -1 if all are taken. */
  takeRow(): number;
  /** Gives back a row, whose entries must all have been cleared. */
  giveRow(row: number): void;
  get(row: number, index: number): number;
  set(row: number, index: number, block: number): void;
  clear(row: number, index: number): void;
  /** The index at which a block was last entered in a row; only where `blockCount` was given. */
  columnOf(block: number): number;
  /** Counts entries that a step reads unchanged. */
  countHits(count: number): void;
}

/** `blockCount` (defaults to 0, for none) is the number of blocks whose columns are kept, 4 bytes each. */
export function createPageTable(rowCount: number, stride: number, blockCount = 0): PageTable {
  const entries = new Int32Array(rowCount * stride).fill(-1);
  const freeRows = Array.from({ length: rowCount }, (_, i) => rowCount - 1 - i);
  const columns = new Int32Array(blockCount);
  let hits = 0;
  let updates = 0;
  let invalidations = 0;
  return {
    entries,
    stride,
    rowCount,
    get freeRowCount() {
      return freeRows.length;
    },
    get counters() {
      return { hits, updates, invalidations };
    },
    takeRow: () => freeRows.pop() ?? -1,
    giveRow(row) {
      freeRows.push(row);
    },
    get: (row, index) => entries[row * stride + index],
    set(row, index, block) {
      if (entries[row * stride + index] !== -1) invalidations++;
      entries[row * stride + index] = block;
      if (blockCount > 0) columns[block] = index;
      updates++;
    },
    clear(row, index) {
      entries[row * stride + index] = -1;
      invalidations++;
    },
    columnOf: (block) => columns[block],
    countHits(count) {
      hits += count;
    },
  };
}
