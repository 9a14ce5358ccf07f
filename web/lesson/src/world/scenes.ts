// The eight scenes of the lesson, in the order in which they build on each other.

import type { Scene, Visit } from './scene.ts';
import type { Settings } from './settings.ts';

export const sceneNames = [
  'contiguous',
  'tables',
  'faults',
  'sharing',
  'copies',
  'eviction',
  'swapping',
  'scheduling',
] as const;
export type SceneName = (typeof sceneNames)[number];

const base: Settings = {
  memory: 'paged',
  blockSize: 4,
  poolSlots: 192,
  policy: 'lru',
  hostPages: 0,
  tokenBudget: 48,
  load: 3,
};

/** Token ids about a topic: two texts about one topic begin alike. */
function text(topic: number, length: number): number[] {
  return Array.from({ length }, (_, i) => (topic * 131 + i * 17 + ((i * i) % 7)) % 1000);
}

const letter = (index: number): string => String.fromCharCode(65 + index);

/** Requests of unlike lengths, a few steps apart. */
function mixed(count: number, gap: number): Visit[] {
  const prompts = [10, 27, 6, 18, 13, 30, 8, 22, 15, 25];
  const outputs = [14, 6, 20, 9, 12, 5, 16, 8, 11, 7];
  return Array.from({ length: count }, (_, i) => ({
    name: letter(i),
    step: 1 + i * gap,
    promptTokenIds: text(i + 1, prompts[i % prompts.length]),
    outputTokens: outputs[i % outputs.length],
  }));
}

/** Visits in rounds to topics of which the first is asked for most: what a cache should keep. */
function returning(load: number, gap: number): Visit[] {
  const topics = [1, 2, 1, 3, 4, 1, 2, 5, 1, 6, 3, 1];
  return Array.from({ length: Math.min(12, 4 + 2 * load) }, (_, i) => ({
    name: letter(i),
    step: 1 + i * gap,
    promptTokenIds: [...text(topics[i], 24), ...text(40 + i, 3)],
    outputTokens: 3,
  }));
}

export const scenes: Readonly<Record<SceneName, Scene>> = {
  contiguous: {
    defaults: { ...base, memory: 'contiguous-max' },
    controls: ['memory', 'poolSlots', 'load'],
    visits: ({ load }) => mixed(4 + load, 1),
  },
  tables: {
    defaults: base,
    controls: ['blockSize', 'poolSlots', 'load'],
    visits: ({ load }) => mixed(4 + load, 1),
  },
  faults: {
    defaults: { ...base, tokenBudget: 16, load: 2 },
    controls: ['blockSize', 'tokenBudget', 'load'],
    visits: ({ load }) => [
      { name: 'A', step: 1, promptTokenIds: text(1, 20), outputTokens: 14 },
      ...Array.from({ length: load }, (_, i) => ({
        name: letter(i + 1),
        step: 6 + 5 * i,
        promptTokenIds: [...text(1, 20), ...text(20 + i, 2)],
        outputTokens: 10,
      })),
    ],
  },
  sharing: {
    defaults: { ...base, tokenBudget: 64 },
    controls: ['blockSize', 'load'],
    visits: ({ load }) =>
      Array.from({ length: 1 + load }, (_, i) => ({
        name: letter(i),
        step: 1 + i,
        promptTokenIds: [...text(1, 32), ...text(10 + i, 4)],
        outputTokens: 10,
      })),
  },
  copies: {
    defaults: { ...base, load: 2 },
    controls: ['blockSize', 'load'],
    visits: ({ load }) => [
      { name: 'A', step: 1, promptTokenIds: text(1, 18), outputTokens: 18 },
      ...Array.from({ length: load }, (_, i) => ({
        name: letter(i + 1),
        step: 5 + 2 * i,
        promptTokenIds: [],
        outputTokens: 10,
        forkOf: 'A',
      })),
    ],
  },
  eviction: {
    defaults: { ...base, poolSlots: 96, load: 4 },
    controls: ['policy', 'poolSlots', 'blockSize', 'load'],
    visits: ({ load }) => returning(load, 4),
  },
  swapping: {
    defaults: { ...base, poolSlots: 96, hostPages: 32, load: 4 },
    controls: ['hostPages', 'poolSlots', 'policy', 'load'],
    visits: ({ load }) => returning(load, 4),
  },
  scheduling: {
    defaults: { ...base, poolSlots: 96, tokenBudget: 24 },
    controls: ['tokenBudget', 'poolSlots', 'load'],
    visits: ({ load }) => [
      ...Array.from({ length: 1 + load }, (_, i) => ({
        name: letter(i),
        step: 1 + i,
        promptTokenIds: text(i + 1, 6 + 3 * i),
        outputTokens: 24,
      })),
      { name: 'Z', step: 6, promptTokenIds: text(30, 44), outputTokens: 6 },
    ],
  },
};
