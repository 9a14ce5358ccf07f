// Which steps calibration measures: decoding and prompts of many sizes, alone and mixed, over short and long contexts.

/** One sequence of a step: `tokenCount` tokens at the end of `contextTokens`. */
export interface DesignSequence {
  readonly tokenCount: number;
  readonly contextTokens: number;
}

export interface DesignStep {
  readonly sequences: readonly DesignSequence[];
  /** Leading tokens whose blocks all its sequences share; a multiple of the block size. */
  readonly sharedTokens: number;
}

export interface DesignLimits {
  readonly maxSequences: number;
  readonly maxTokens: number;
  readonly maxContextTokens: number;
  readonly blockSize: number;
  /** Of the pool that the steps run on. */
  readonly blockCount: number;
}

const upTo = (counts: readonly number[], limit: number): number[] => counts.filter((count) => count <= limit);

/** Every step fits the limits. */
export function designSteps(limits: DesignLimits): DesignStep[] {
  const { maxSequences, maxTokens, maxContextTokens, blockSize, blockCount } = limits;
  const steps: DesignStep[] = [];
  const decoding = (count: number, contextTokens: number): DesignSequence[] =>
    Array.from({ length: count }, () => ({ tokenCount: 1, contextTokens }));
  /** The longest context that `count` sequences can have at once. */
  const longest = (count: number): number => Math.min(maxContextTokens, Math.floor(blockCount / count) * blockSize);
  const add = (sequences: readonly DesignSequence[], sharedTokens = 0): void => {
    const tokens = sequences.reduce((sum, { tokenCount }) => sum + tokenCount, 0);
    if (tokens <= maxTokens && sequences.length <= maxSequences) steps.push({ sequences, sharedTokens });
  };

  for (const count of upTo([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64], maxSequences)) {
    const most = longest(count);
    for (const context of new Set([Math.min(16, most), Math.ceil(most / 4), most])) add(decoding(count, context));
    const shared = Math.floor((most * 3) / 4 / blockSize) * blockSize;
    if (count >= 4 && shared > 0) add(decoding(count, most), shared);
  }
  const chunks = upTo([2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512], Math.min(maxTokens, longest(1)));
  for (const tokenCount of chunks) add([{ tokenCount, contextTokens: tokenCount }]);
  for (const tokenCount of upTo([16, 64, 128, 256], longest(1) / 2)) {
    for (const part of [0.5, 1]) add([{ tokenCount, contextTokens: Math.floor(longest(1) * part) }]);
  }
  for (const count of [2, 8]) {
    for (const tokenCount of upTo([16, 64, 128], Math.min(longest(count), maxTokens / count))) {
      add(Array.from({ length: count }, () => ({ tokenCount, contextTokens: tokenCount })));
    }
  }
  for (const count of upTo([3, 7, 15, 31], maxSequences - 1)) {
    const most = longest(count + 1);
    for (const tokenCount of upTo([16, 32, 64, 128, 256, 448], most)) {
      add([...decoding(count, Math.ceil(most / 2)), { tokenCount, contextTokens: tokenCount }]);
    }
  }
  return steps;
}
