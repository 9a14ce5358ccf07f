// Every tier passes the suite.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { createPageCodec } from './compress/page-codec.ts';
import { openFileTier } from './file/file-tier.ts';
import { createNodeFiles } from './file/node-files.ts';
import { journalBudgetBytes } from './file/page-journal.ts';
import type { TierFiles } from './file/tier-files.ts';
import { guardTier } from './guarded-tier.ts';
import { createHostTier } from './host/host-tier.ts';
import { type CompressedForm, compressedBytesOf, type PageShape, pageBytesOf } from './page-codec.ts';
import { createMemoryFiles } from './testing/memory-files.ts';
import { createTestClock } from './testing/pages.ts';
import { describeTierConformance } from './tier.conformance.ts';
import type { EvictionHandler } from './tier.ts';
import { createTierStack } from './tier-stack.ts';

const clock = createTestClock();
const folder = mkdtempSync(join(tmpdir(), 'octavo-tiers-'));
afterAll(() => rmSync(folder, { recursive: true }));
let folderCount = 0;

const shape: PageShape = {
  layerCount: 2,
  kvHeadCount: 2,
  headSize: 64,
  blockSize: 8,
  dtype: 'f16',
  areKeysTransposed: true,
};

function openFiles(
  files: TierFiles,
  isDirect: boolean,
  pageBytes: number,
  pages: number,
  onEvict?: EvictionHandler,
  isLossy = false,
) {
  const slotBytes = Math.ceil(pageBytes / 4096) * 4096;
  return openFileTier({
    folder: join(folder, String(folderCount++)),
    files,
    clock,
    pageBytes,
    budgetBytes: pages * slotBytes + journalBudgetBytes(pages) + 4096,
    identity: 'conformance',
    isDirect,
    isLossy,
    segmentBytes: 5 * slotBytes,
    growthBytes: 2 * slotBytes,
    transferBytes: 3 * slotBytes,
    onEvict,
  });
}

describeTierConformance({
  name: 'host, raw',
  pageBytes: 6000,
  tolerance: 0,
  create: async (pages, onEvict) => createHostTier({ pageBytes: 6000, budgetBytes: pages * 8192, clock, onEvict }),
});

function describeCompressed(form: CompressedForm, tolerance: number, hotShare: number): void {
  describeTierConformance({
    name: `host, ${form}, ${hotShare} hot`,
    pageBytes: pageBytesOf(shape),
    tolerance,
    isLeastRecentlyUsed: hotShare === 0,
    create: async (pages, onEvict) =>
      createHostTier({
        pageBytes: pageBytesOf(shape),
        budgetBytes: Math.max(2, pages + 2) * compressedBytesOf(shape),
        clock,
        onEvict,
        codec: createPageCodec(shape, form),
        hotShare,
      }),
  });
}
// Values reach 4: half a step of 4 / 127, and half of 2^-3 of the value, with the rounding of the scale and of f16.
describeCompressed('int8', 4 / 127 / 2 + 0.004, 0);
describeCompressed('fp8', 4 / 16 + 0.01, 0);

const fileSubjects: [name: string, pageBytes: number, files: () => TierFiles, isDirect: boolean][] = [
  ['direct, pages of whole sectors', 8192, createNodeFiles, true],
  ['direct, pages that need padding', 6000, createNodeFiles, true],
  ['buffered', 6000, createNodeFiles, false],
  ['direct, in memory', 8192, () => createMemoryFiles(), true],
];
for (const [name, pageBytes, files, isDirect] of fileSubjects) {
  describeTierConformance({
    name: `file, ${name}`,
    pageBytes,
    tolerance: 0,
    create: (pages, onEvict) => openFiles(files(), isDirect, pageBytes, pages, onEvict),
  });
}

describeTierConformance({
  name: 'host over file, guarded',
  pageBytes: 8192,
  tolerance: 0,
  isLeastRecentlyUsed: false,
  create: async (pages, onEvict) => {
    const below = Math.ceil(pages * 0.75);
    const file = await openFiles(createNodeFiles(), true, 8192, below, onEvict);
    return createTierStack({
      clock,
      tiers: [
        (handler) =>
          createHostTier({ pageBytes: 8192, budgetBytes: (pages - below + 2) * 8192, clock, onEvict: handler }),
        () => guardTier(file, { clock }),
      ],
    });
  },
});
