// What a learner may turn, with the limits of each slider.

import type { MemoryMode } from '../../../../src/memory/create-memory.ts';
import type { EvictionPolicyName } from '../../../../src/memory/eviction/index.ts';

export interface Settings {
  readonly memory: MemoryMode;
  /** Token slots in a block. */
  readonly blockSize: number;
  /** Token slots of the pool: the same memory whatever the block size. */
  readonly poolSlots: number;
  readonly policy: EvictionPolicyName;
  /** Pages of the host tier below the pool; 0 for none. */
  readonly hostPages: number;
  /** Tokens that a step may compute. */
  readonly tokenBudget: number;
  /** Requests that come, or how close together they come. */
  readonly load: number;
}

export const limits = {
  blockSize: { min: 2, max: 16, step: 2 },
  poolSlots: { min: 64, max: 384, step: 32 },
  hostPages: { min: 0, max: 48, step: 8 },
  tokenBudget: { min: 8, max: 96, step: 8 },
  load: { min: 1, max: 6, step: 1 },
} as const;

export type Slider = keyof typeof limits;
export const sliders = Object.keys(limits) as readonly Slider[];

export function blockCountOf({ poolSlots, blockSize }: Settings): number {
  return Math.floor(poolSlots / blockSize);
}
