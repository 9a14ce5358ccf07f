// A KV pool that holds, instead of K and V, what each slot's K and V depend on: the whole chain of tokens up to it.

/** A sequence as a model knows it, independently of scheduler and memory. `chain[p]` stands for K and V of position p. */
export interface ModelSequence {
  readonly salt: string;
  readonly tokenIds: number[];
  readonly chain: number[];
}

function mix(a: number, b: number): number {
  let h = Math.imul(a ^ Math.imul(b + 0x7f4a7c15, 0x85ebca6b), 0xc2b2ae35);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2545f491);
  return h ^ (h >>> 13);
}

/** Appends a token and what its K and V depend on: every token before it, and the salt. */
export function appendToken(sequence: ModelSequence, tokenId: number): void {
  let before = sequence.chain.at(-1);
  if (before === undefined) {
    before = 1;
    for (const character of sequence.salt) before = mix(before, character.charCodeAt(0));
  }
  sequence.tokenIds.push(tokenId);
  sequence.chain.push(mix(before, tokenId));
}

export interface ContentPool {
  /** Copies (source, destination) blocks, flat. */
  copy(blockCopies: ArrayLike<number>, copyCount: number): void;
  write(slot: number, position: number, content: number): void;
  /** Whether a slot holds K and V of this position and content. */
  holds(slot: number, position: number, content: number): boolean;
  poisonSlot(slot: number): void;
  /** Makes the content of a block garbage: nothing may depend on it. */
  poison(block: number): void;
}

export function createContentPool(blockCount: number, blockSize: number): ContentPool {
  const contents = new Int32Array(blockCount * blockSize);
  const positions = new Int32Array(blockCount * blockSize).fill(-1);
  let garbage = 1;

  function poisonSlot(slot: number): void {
    garbage = mix(garbage, slot);
    contents[slot] = garbage;
    positions[slot] = -1;
  }

  return {
    copy(blockCopies, copyCount) {
      for (let i = 0; i < copyCount; i++) {
        const from = blockCopies[i * 2] * blockSize;
        const to = blockCopies[i * 2 + 1] * blockSize;
        contents.copyWithin(to, from, from + blockSize);
        positions.copyWithin(to, from, from + blockSize);
      }
    },
    write(slot, position, content) {
      contents[slot] = content;
      positions[slot] = position;
    },
    holds: (slot, position, content) => contents[slot] === content && positions[slot] === position,
    poisonSlot,
    poison(block) {
      for (let slot = block * blockSize; slot < (block + 1) * blockSize; slot++) poisonSlot(slot);
    },
  };
}
