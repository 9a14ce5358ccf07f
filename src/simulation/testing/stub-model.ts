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

/**
 * What a token leaves in each cache group, as layers over one another: the state of a group is its context, its input what the group before it left
 * there.
 */
function contentsOf(states: readonly number[], tokenId: number, position: number): number[] {
  let input = tokenId;
  return states.map((state) => {
    input = contentOf(state, input, position);
    return input;
  });
}

/** The context of all groups after a token. */
const joined = (states: readonly number[]): number => states.reduce((all, state) => mix(all, state));

/** The tokens that a request gets when it runs alone, computed from its tokens only. `groups`: what a token attends to in each cache group. */
export function plainRun(
  promptTokenIds: readonly number[],
  salt: string,
  maxNewTokens: number,
  groups: readonly StubAttention[],
): number[] {
  const contents: number[][] = groups.map(() => []);
  let states = groups.map(() => emptyContext(salt));
  const advance = (tokenId: number) => {
    const position = contents[0].length;
    states = groups.map((attention, g) =>
      // Without a window the context grows by one token at a time.
      attention.windowTokens === null ? states[g] : contextAt(position, salt, attention, (at) => contents[g][at]),
    );
    const left = contentsOf(states, tokenId, position);
    for (const [g, content] of left.entries()) contents[g].push(content);
    states = states.map((state, g) => extended(state, left[g]));
  };
  for (const tokenId of promptTokenIds) advance(tokenId);
  const generated: number[] = [];
  while (generated.length < maxNewTokens) {
    const { tokenId, finished } = sample(joined(states));
    generated.push(tokenId);
    if (finished) break;
    advance(tokenId);
  }
  return generated;
}

/** Blocks of a cache group as bytes. */
export interface StubPool {
  readonly pageBytes: number;
  readonly slotWords: number;
  read(block: number, into: Uint8Array): void;
  write(block: number, from: Uint8Array): void;
  /** A codec of pages that takes its time. */
  codec(sleep: () => Promise<void>): PageCodec;
}

export interface StubExecutor {
  /** Of each cache group, with pages of unlike sizes. */
  readonly pools: readonly StubPool[];
  /** Does the copies of a step, then writes and reads its tokens one after the other. By sequence of the plan what it would sample. */
  execute(plan: StepPlan, saltOf: (id: number) => string): Sampled[];
  /** A step that failed half way: whatever it may write is garbage. */
  fail(plan: StepPlan): void;
  /** Blocks of several groups are numbered one group after the other. */
  poison(block: number): void;
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

export interface StubGroup extends StubAttention {
  readonly blockCount: number;
}

export interface StubOptions {
  readonly groups: readonly StubGroup[];
  readonly blockSize: number;
  /** Words of a slot of the first group, at least 2: its position, what stands for its K and V, and what follows from that. */
  readonly slotWords: number;
}

/** A pool of words, and garbage for those that nothing may depend on. */
function createWordPool({ blockCount }: StubGroup, blockSize: number, slotWords: number) {
  const blockWords = blockSize * slotWords;
  const pageBytes = blockWords * 4;
  const words = new Int32Array(blockCount * blockWords);
  const bytes = new Uint8Array(words.buffer);
  let garbage = 1;

  function poison(from: number, count: number): void {
    for (let at = from; at < from + count; at++) {
      garbage = mix(garbage, at);
      words[at] = garbage;
    }
  }

  return {
    blockCount,
    pageBytes,
    slotWords,
    read: (block: number, into: Uint8Array) => into.set(bytes.subarray(block * pageBytes, (block + 1) * pageBytes)),
    write: (block: number, from: Uint8Array) => bytes.set(from, block * pageBytes),
    codec: (sleep: () => Promise<void>) => createStubCodec(blockSize, slotWords, sleep),
    poisonBlock: (block: number) => poison(block * blockWords, blockWords),
    poisonSlot: (slot: number) => poison(slot * slotWords, slotWords),
    copy(from: number, to: number): void {
      words.copyWithin(to * blockWords, from * blockWords, (from + 1) * blockWords);
    },
    fill(slot: number, position: number, content: number): void {
      writeSlot(words, slot * slotWords, slotWords, position, content);
    },
    /** Undefined where the slot does not hold this position. */
    contentOf(slot: number, position: number): number | undefined {
      const at = slot * slotWords;
      const content = words[at + 1];
      return words[at] === position && words[at + slotWords - 1] === lastWord(content, slotWords) ? content : undefined;
    },
  };
}

export function createStubExecutor({ groups, blockSize, slotWords }: StubOptions): StubExecutor {
  const pools = groups.map((group, g) => createWordPool(group, blockSize, slotWords + g));
  const boundOf = ({ bindings }: StepPlan) => [bindings, ...(bindings.otherPools ?? [])];

  return {
    pools,
    execute(plan, saltOf) {
      const { bindings, sequences, stepIndex } = plan;
      const bound = boundOf(plan);
      for (const [g, { copyCount, blockCopies }] of bound.entries()) {
        for (let i = 0; i < copyCount; i++) pools[g].copy(blockCopies[i * 2], blockCopies[i * 2 + 1]);
      }
      return sequences.map(({ id, firstPosition }, s) => {
        const contentIn =
          (g: number) =>
          (position: number): number => {
            const { tableRows, blockTables, blockTableStride } = bound[g];
            const block = blockTables[tableRows[s] * blockTableStride + Math.floor(position / blockSize)];
            const content = pools[g].contentOf(block * blockSize + (position % blockSize), position);
            if (block < 0 || content === undefined) {
              throw new Error(
                `step ${stepIndex}: sequence ${id} reads wrong content at ${position}, block ${block} of group ${g}`,
              );
            }
            return content;
          };
        const salt = saltOf(id);
        let states = groups.map((attention, g) => contextAt(firstPosition, salt, attention, contentIn(g)));
        for (let row = bindings.queryStarts[s]; row < bindings.queryStarts[s + 1]; row++) {
          const position = bindings.positions[row];
          states = groups.map((attention, g) =>
            attention.windowTokens === null ? states[g] : contextAt(position, salt, attention, contentIn(g)),
          );
          const left = contentsOf(states, bindings.tokenIds[row], position);
          for (const [g, content] of left.entries()) pools[g].fill(bound[g].slotMapping[row], position, content);
          states = states.map((state, g) => extended(state, left[g]));
        }
        return sample(joined(states));
      });
    },
    fail(plan) {
      for (const [g, { copyCount, blockCopies, slotMapping }] of boundOf(plan).entries()) {
        for (let i = 0; i < copyCount; i++) pools[g].poisonBlock(blockCopies[i * 2 + 1]);
        for (let row = 0; row < plan.bindings.tokenCount; row++) pools[g].poisonSlot(slotMapping[row]);
      }
    },
    poison(block) {
      let within = block;
      for (const pool of pools) {
        if (within < pool.blockCount) return pool.poisonBlock(within);
        within -= pool.blockCount;
      }
    },
  };
}
