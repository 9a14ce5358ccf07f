// What a block's colour says: each way of colouring sorts blocks into classes, and each class has a colour and a place in the legend.

import type { GroupView } from '../../../src/events/memory-view.ts';
import { neutral, oklch, type Rgb, scale, series, seriesCount } from '../parts/palette.ts';

export const colourings = ['sequence', 'tier', 'references', 'age', 'fill'] as const;
export type Colouring = (typeof colourings)[number];

/** What a class is decided by. */
export interface BlockFacts {
  readonly group: GroupView;
  /** Per block the palette index of its first owner, or -1. */
  readonly ownerColours: Int8Array;
  /** The group's `filled`, read once because the group counts it anew each time; empty unless the colouring `needsFill`. */
  readonly filled: Uint16Array;
  readonly nowMs: number;
}

export interface BlockClass {
  /** Its key in the dictionary. */
  readonly key: string;
  readonly colour: (dark: boolean) => Rgb;
}

export interface ColouringSpec {
  /** At most 32. */
  readonly classes: readonly BlockClass[];
  readonly needsFill?: boolean;
  readonly classOf: (facts: BlockFacts, block: number) => number;
}

const free: BlockClass = { key: 'free', colour: (dark) => neutral('free', dark) };
const cached: BlockClass = { key: 'cached', colour: (dark) => neutral('cached', dark) };
const held: BlockClass = { key: 'held', colour: (dark) => oklch(dark ? 0.62 : 0.72, 0.03, 80) };

function step(key: string, share: number): BlockClass {
  return { key, colour: (dark) => scale(share, dark) };
}

function hue(key: string, index: number): BlockClass {
  return { key, colour: (dark) => series(index, dark) };
}

/** 0 for a free block, 1 for one that is cached and unreferenced, else null. */
function unreferenced({ group }: BlockFacts, block: number): 0 | 1 | null {
  if (group.references[block] > 0) return null;
  return group.cached[block] === 1 ? 1 : 0;
}

const sequenceClasses: readonly BlockClass[] = [
  free,
  cached,
  held,
  { key: 'shared', colour: (dark) => neutral('shared', dark) },
  ...Array.from({ length: seriesCount }, (_, index) => hue('own', index)),
];

const namedTiers = ['device', 'host', 'file', 'remote'] as const;
export type NamedTier = (typeof namedTiers)[number] | 'other';

/** The tier that the content of a cached block came from. */
export function tierOf(group: GroupView, block: number): NamedTier {
  return namedTiers[tierIndex(tierNameOf(group, block))] ?? 'other';
}

function tierNameOf({ tiers, tierNames }: GroupView, block: number): string {
  return tierNames[tiers[block]] ?? '';
}

/** Of a name that is not known, the one behind all others. */
function tierIndex(name: string): number {
  const index = (namedTiers as readonly string[]).indexOf(name);
  return index < 0 ? namedTiers.length : index;
}

const ageLimitsMs = [100, 1000, 10_000, 60_000, 600_000];
const referenceLimits = [1, 2, 4, 8, 16];

function indexWithin(limits: readonly number[], value: number): number {
  const index = limits.findIndex((limit) => value <= limit);
  return index < 0 ? limits.length : index;
}

const specs: Readonly<Record<Colouring, ColouringSpec>> = {
  sequence: {
    classes: sequenceClasses,
    classOf(facts, block) {
      const { group, ownerColours } = facts;
      const idle = unreferenced(facts, block);
      if (idle !== null) return idle;
      // A hold beside one owner (the source of a copy) does not make a block shared between sequences.
      if (group.references[block] - group.holds[block] > 1) return 3;
      return ownerColours[block] < 0 ? 2 : 4 + ownerColours[block];
    },
  },
  tier: {
    classes: [
      free,
      held,
      hue('writing', 4),
      hue('filled', 2),
      hue('device', 0),
      hue('host', 1),
      hue('file', 3),
      hue('remote', 5),
      hue('other', 6),
    ],
    classOf(facts, block) {
      const { group } = facts;
      if (group.cached[block] === 1) return group.sources[block] === 2 ? 3 : 4 + tierIndex(tierNameOf(group, block));
      if (group.references[block] === 0) return 0;
      return facts.ownerColours[block] < 0 ? 1 : 2;
    },
  },
  references: {
    classes: [
      free,
      cached,
      step('one', 0.05),
      step('two', 0.25),
      step('upTo4', 0.45),
      step('upTo8', 0.65),
      step('upTo16', 0.85),
      step('more', 1),
    ],
    classOf(facts, block) {
      return unreferenced(facts, block) ?? 2 + indexWithin(referenceLimits, facts.group.references[block]);
    },
  },
  age: {
    classes: [
      free,
      step('tenth', 1),
      step('second', 0.82),
      step('tenSeconds', 0.62),
      step('minute', 0.42),
      step('tenMinutes', 0.22),
      step('older', 0.04),
    ],
    classOf(facts, block) {
      if (unreferenced(facts, block) === 0) return 0;
      return 1 + indexWithin(ageLimitsMs, facts.nowMs - facts.group.usedMs[block]);
    },
  },
  fill: {
    classes: [
      free,
      step('quarter', 0.05),
      step('half', 0.3),
      step('threeQuarters', 0.55),
      step('partly', 0.8),
      step('full', 1),
    ],
    needsFill: true,
    classOf(facts, block) {
      if (unreferenced(facts, block) === 0) return 0;
      const { blockSize } = facts.group;
      const filled = facts.filled[block];
      return filled >= blockSize ? 5 : 1 + Math.min(3, Math.floor((filled / blockSize) * 4));
    },
  },
};

export function colouringSpec(by: Colouring): ColouringSpec {
  return specs[by];
}
