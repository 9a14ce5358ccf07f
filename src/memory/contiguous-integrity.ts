// Every invariant of contiguous memory, checked from scratch.

import { IntegrityError } from '../errors/index.ts';
import type { BlockAllocator } from './allocators/index.ts';
import type { BlockRun, ContiguousSequence } from './contiguous-memory.ts';
import type { PageTable } from './page-table.ts';

export interface ContiguousParts {
  readonly blockSize: number;
  readonly allocator: BlockAllocator;
  readonly table: PageTable;
  readonly holders: readonly (ContiguousSequence | null)[];
  readonly stepSequences: readonly ContiguousSequence[];
  readonly copies: readonly number[];
}

function fail(message: string): never {
  throw new IntegrityError(message);
}

/** Throws IntegrityError for the first invariant that does not hold. O(blocks + table entries). */
export function checkContiguousIntegrity(parts: ContiguousParts): void {
  parts.allocator.checkIntegrity();
  const references = new Map<BlockRun, number>();
  const count = (run: BlockRun): void => void references.set(run, (references.get(run) ?? 0) + 1);
  let heldRows = 0;
  parts.holders.forEach((holder, row) => {
    checkRow(parts, row, holder?.run ?? null);
    if (holder === null) return;
    heldRows++;
    checkSequence(parts, holder, row);
    count(holder.run!);
    if (holder.source !== null) count(holder.source.run);
  });
  if (heldRows + parts.table.freeRowCount !== parts.table.rowCount) {
    fail(`${heldRows} rows held + ${parts.table.freeRowCount} free != ${parts.table.rowCount}`);
  }
  checkRuns(parts, references);
  const copyCount = parts.stepSequences.reduce(
    (sum, { copying, source }) => sum + (copying ? Math.ceil(source!.tokens / parts.blockSize) : 0),
    0,
  );
  // A source that shrank while it is copied leaves more copies than it needs.
  if (parts.copies.length < copyCount * 2) fail(`${parts.copies.length / 2} copies, ${copyCount} are needed`);
}

/** Runs lie apart, are allocated, are all that is allocated, and count who refers to them. */
function checkRuns({ allocator }: ContiguousParts, references: ReadonlyMap<BlockRun, number>): void {
  const owners = new Map<number, BlockRun>();
  for (const [run, counted] of references) {
    if (run.references !== counted) fail(`run ${run.first} counts ${run.references} references, there are ${counted}`);
    for (let block = run.first; block < run.first + run.count; block++) {
      if (owners.has(block)) fail(`block ${block} is in runs ${owners.get(block)!.first} and ${run.first}`);
      if (allocator.isFree(block)) fail(`block ${block} is in run ${run.first}, but free`);
      owners.set(block, run);
    }
  }
  if (owners.size + allocator.freeCount !== allocator.blockCount) {
    fail(`${owners.size} blocks in runs + ${allocator.freeCount} free != ${allocator.blockCount}`);
  }
}

function checkRow({ table }: ContiguousParts, row: number, run: BlockRun | null): void {
  for (let index = 0; index < table.stride; index++) {
    const expected = run !== null && index < run.count ? run.first + index : -1;
    const block = table.get(row, index);
    if (block !== expected) fail(`row ${row} entry ${index} holds ${block}, not ${expected}`);
  }
}

function checkSequence({ blockSize, stepSequences }: ContiguousParts, sequence: ContiguousSequence, row: number): void {
  const { run, source, computedTokens, scheduledTokens, tokenIds } = sequence;
  if (sequence.row !== row || run === null) fail(`row ${row} is held by a sequence of row ${sequence.row}`);
  const tokens = computedTokens + scheduledTokens;
  if (sequence.blockCount !== run.count || tokens > run.count * blockSize) {
    fail(`row ${row} has ${sequence.blockCount} blocks, a run of ${run.count}, and ${tokens} tokens`);
  }
  if (tokens > tokenIds.length) fail(`row ${row} has ${tokens} tokens in memory, but ${tokenIds.length} are known`);
  if (scheduledTokens > 0 !== stepSequences.includes(sequence))
    fail(`row ${row}: ${scheduledTokens} scheduled tokens, but the open step disagrees`);
  if (scheduledTokens === 0 && (sequence.joined || sequence.releasing || sequence.copying)) {
    fail(`row ${row} is not in the open step but marked as if`);
  }
  if (source !== null && (source.run === run || source.tokens > computedTokens)) {
    fail(`row ${row} is to copy ${source.tokens} tokens from run ${source.run.first}`);
  }
  if (source !== null && !sequence.copying && (scheduledTokens > 0 || source.tokens !== computedTokens)) {
    fail(`row ${row} has ${computedTokens} computed tokens, of which ${source.tokens} are yet to be copied`);
  }
}
