// A model without numbers: what stands for K and V at a position is a hash of the context as it was read and of the token, and
// the next token is a function of that. Reading anything wrong changes every token after it.

import type { StepPlan } from '../../scheduler/index.ts';
import type { PageCodec } from '../../tiers/index.ts';

const VOCABULARY = 50_000;

function mix(a: number, b: number): number {
  let h = Math.imul(a ^ Math.imul(b + 0x7f4a7c15, 0x85ebca6b), 0xc2b2ae35);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2545f491);
  return h ^ (h >>> 13);
}

/** What a context of no tokens comes to. The salt is in it, so that content of another namespace is wrong content. */
export function emptyContext(salt: string): number {
  let state = 0x1234567;
  for (const character of salt) state = mix(state, character.charCodeAt(0));
  return state;
}

/** What a token attends to: all tokens before it, or the sinks and the last ones of a window, itself included. */
export interface StubAttention {
  readonly windowTokens: number | null;
  readonly sinkTokens: number;
}

/** The context of position `position` of which `contentAt` says what stands for K and V of earlier ones. */
function contextAt(
  position: number,
  salt: string,
  { windowTokens, sinkTokens }: StubAttention,
  contentAt: (earlier: number) => number,
): number {
  let state = emptyContext(salt);
  const windowStart = windowTokens === null ? 0 : Math.max(0, position + 1 - windowTokens);
  for (let earlier = 0; earlier < Math.min(sinkTokens, windowStart); earlier++) {
    state = extended(state, contentAt(earlier));
  }
  for (let earlier = windowStart; earlier < position; earlier++) state = extended(state, contentAt(earlier));
  return state;
}

/** What stands for K and V of a token after the context `state`. */
const contentOf = (state: number, tokenId: number, position: number): number => mix(mix(state, tokenId), position);
const extended = (state: number, content: number): number => mix(state, content);

export interface Sampled {
  readonly tokenId: number;
  readonly finished: boolean;
}

function sample(state: number): Sampled {
  return { tokenId: (state >>> 4) % VOCABULARY, finished: mix(state, 7) % 61 === 0 };
}

/** The tokens that a request gets when it runs alone, computed from its tokens only. */
export function plainRun(
  promptTokenIds: readonly number[],
  salt: string,
  maxNewTokens: number,
  attention: StubAttention,
): number[] {
  const contents: number[] = [];
  let state = emptyContext(salt);
  const advance = (tokenId: number) => {
    const position = contents.length;
    // Without a window the context grows by one token at a time.
    if (attention.windowTokens !== null) state = contextAt(position, salt, attention, (at) => contents[at]);
    contents.push(contentOf(state, tokenId, position));
    state = extended(state, contents[position]);
  };
  for (const tokenId of promptTokenIds) advance(tokenId);
  const generated: number[] = [];
  while (generated.length < maxNewTokens) {
    const { tokenId, finished } = sample(state);
    generated.push(tokenId);
    if (finished) break;
    advance(tokenId);
  }
  return generated;
}

export interface StubExecutor {
  readonly pageBytes: number;
  read(block: number, into: Uint8Array): void;
  write(block: number, from: Uint8Array): void;
  /** Does the copies of a step, then writes and reads its tokens one after the other. By sequence of the plan what it would sample. */
  execute(plan: StepPlan, saltOf: (id: number) => string): Sampled[];
  /** A step that failed half way: whatever it may write is garbage. */
  fail(plan: StepPlan): void;
  poison(block: number): void;
  /** A codec of pages that takes its time. */
  codec(sleep: () => Promise<void>): PageCodec;
}

/** What follows from the content in word `word` of a slot. */
const wordOf = (content: number, word: number): number => mix(content, word);
const lastWord = (content: number, slotWords: number): number =>
  slotWords === 2 ? content : wordOf(content, slotWords - 1);

function writeSlot(words: Int32Array, at: number, slotWords: number, position: number, content: number): void {
  words[at] = position;
  words[at + 1] = content;
  for (let word = 2; word < slotWords; word++) words[at + word] = wordOf(content, word);
}

/**
 * Keeps of a page the first position and the contents; all else follows. Some pages have no such form, as real ones that hold a value
 * which is not finite.
 */
function createStubCodec(blockSize: number, slotWords: number, sleep: () => Promise<void>): PageCodec {
  const pageBytes = blockSize * slotWords * 4;
  const compressedBytes = (blockSize + 1) * 4;
  return {
    form: 'int8',
    pageBytes,
    compressedBytes,
    async encode(page, into) {
      await sleep();
      const words = new Int32Array(page.slice().buffer);
      const small = new Int32Array(blockSize + 1);
      small[0] = words[0];
      let hasForm = words[1] % 5 !== 0;
      for (let slot = 0; slot < blockSize; slot++) {
        const at = slot * slotWords;
        small[slot + 1] = words[at + 1];
        if (words[at] !== words[0] + slot || words[at + slotWords - 1] !== lastWord(words[at + 1], slotWords)) {
          hasForm = false;
        }
      }
      into.set(new Uint8Array(small.buffer));
      return hasForm;
    },
    async decode(compressed, into) {
      await sleep();
      const small = new Int32Array(compressed.slice(0, compressedBytes).buffer);
      const words = new Int32Array(blockSize * slotWords);
      for (let slot = 0; slot < blockSize; slot++) {
        writeSlot(words, slot * slotWords, slotWords, small[0] + slot, small[slot + 1]);
      }
      into.set(new Uint8Array(words.buffer));
    },
  };
}

export interface StubOptions extends StubAttention {
  readonly blockCount: number;
  readonly blockSize: number;
  /** Words of a slot, at least 2: its position, what stands for its K and V, and what follows from that. */
  readonly slotWords: number;
}

export function createStubExecutor(options: StubOptions): StubExecutor {
  const { blockCount, blockSize, slotWords } = options;
  const blockWords = blockSize * slotWords;
  const words = new Int32Array(blockCount * blockWords);
  const bytes = new Uint8Array(words.buffer);
  const pageBytes = blockWords * 4;
  let garbage = 1;

  function poisonWords(from: number, count: number): void {
    for (let at = from; at < from + count; at++) {
      garbage = mix(garbage, at);
      words[at] = garbage;
    }
  }

  return {
    pageBytes,
    read: (block, into) => into.set(bytes.subarray(block * pageBytes, (block + 1) * pageBytes)),
    write: (block, from) => bytes.set(from, block * pageBytes),
    codec(sleep) {
      return createStubCodec(blockSize, slotWords, sleep);
    },
    execute({ bindings, sequences, stepIndex }, saltOf) {
      for (let i = 0; i < bindings.copyCount; i++) {
        const from = bindings.blockCopies[i * 2] * blockWords;
        words.copyWithin(bindings.blockCopies[i * 2 + 1] * blockWords, from, from + blockWords);
      }
      return sequences.map(({ id, firstPosition }, s) => {
        const table = bindings.tableRows[s] * bindings.blockTableStride;
        const contentAt = (position: number): number => {
          const block = bindings.blockTables[table + Math.floor(position / blockSize)];
          const at = (block * blockSize + (position % blockSize)) * slotWords;
          const content = words[at + 1];
          if (block < 0 || words[at] !== position || words[at + slotWords - 1] !== lastWord(content, slotWords)) {
            throw new Error(`step ${stepIndex}: sequence ${id} reads wrong content at ${position}, block ${block}`);
          }
          return content;
        };
        let state = contextAt(firstPosition, saltOf(id), options, contentAt);
        for (let row = bindings.queryStarts[s]; row < bindings.queryStarts[s + 1]; row++) {
          const position = bindings.positions[row];
          if (options.windowTokens !== null) state = contextAt(position, saltOf(id), options, contentAt);
          const content = contentOf(state, bindings.tokenIds[row], position);
          writeSlot(words, bindings.slotMapping[row] * slotWords, slotWords, position, content);
          state = extended(state, content);
        }
        return sample(state);
      });
    },
    fail({ bindings }) {
      for (let i = 0; i < bindings.copyCount; i++)
        poisonWords(bindings.blockCopies[i * 2 + 1] * blockWords, blockWords);
      for (let row = 0; row < bindings.tokenCount; row++) poisonWords(bindings.slotMapping[row] * slotWords, slotWords);
    },
    poison: (block) => poisonWords(block * blockWords, blockWords),
  };
}
