// A model without numbers: what stands for K and V at a position is a hash of the context as it was read and of the token, and
// the next token is a function of that. Reading anything wrong changes every token after it.

import type { StepPlan } from '../../scheduler/index.ts';

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
export function plainRun(promptTokenIds: readonly number[], salt: string, maxNewTokens: number): number[] {
  let state = emptyContext(salt);
  let position = 0;
  const advance = (tokenId: number) => {
    state = extended(state, contentOf(state, tokenId, position++));
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
}

/** Words of a slot: its position, and what stands for its K and V. */
const SLOT_WORDS = 2;

export function createStubExecutor(blockCount: number, blockSize: number): StubExecutor {
  const blockWords = blockSize * SLOT_WORDS;
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
    execute({ bindings, sequences, stepIndex }, saltOf) {
      for (let i = 0; i < bindings.copyCount; i++) {
        const from = bindings.blockCopies[i * 2] * blockWords;
        words.copyWithin(bindings.blockCopies[i * 2 + 1] * blockWords, from, from + blockWords);
      }
      return sequences.map(({ id, firstPosition }, s) => {
        const table = bindings.tableRows[s] * bindings.blockTableStride;
        let state = emptyContext(saltOf(id));
        for (let position = 0; position < firstPosition; position++) {
          const block = bindings.blockTables[table + Math.floor(position / blockSize)];
          const at = (block * blockSize + (position % blockSize)) * SLOT_WORDS;
          if (words[at] !== position) {
            throw new Error(`step ${stepIndex}: sequence ${id} reads wrong content at ${position}, block ${block}`);
          }
          state = extended(state, words[at + 1]);
        }
        for (let row = bindings.queryStarts[s]; row < bindings.queryStarts[s + 1]; row++) {
          const position = bindings.positions[row];
          const content = contentOf(state, bindings.tokenIds[row], position);
          const at = bindings.slotMapping[row] * SLOT_WORDS;
          words[at] = position;
          words[at + 1] = content;
          state = extended(state, content);
        }
        return sample(state);
      });
    },
    fail({ bindings }) {
      for (let i = 0; i < bindings.copyCount; i++)
        poisonWords(bindings.blockCopies[i * 2 + 1] * blockWords, blockWords);
      for (let row = 0; row < bindings.tokenCount; row++)
        poisonWords(bindings.slotMapping[row] * SLOT_WORDS, SLOT_WORDS);
    },
    poison: (block) => poisonWords(block * blockWords, blockWords),
  };
}
