// What must hold between the groups of hybrid memory.

import { IntegrityError } from '../errors/index.ts';
import type { HybridSequence } from './hybrid-sequence.ts';
import type { KvMemory } from './types.ts';

/** Throws IntegrityError unless every holder is at the same token in all groups, and nobody else holds a row in any. */
export function checkGroupsInStep(groups: readonly KvMemory[], holders: ReadonlySet<HybridSequence>): void {
  for (const { members } of holders) {
    const [first] = members;
    for (const [i, member] of members.entries()) {
      for (const figure of ['computedTokens', 'scheduledTokens', 'preparedTokens', 'blockCount'] as const) {
        if (member[figure] !== first[figure]) {
          throw new IntegrityError(`cache group ${i}: ${figure} ${member[figure]}, but ${first[figure]} in group 0`);
        }
      }
      if ((member.row === -1) !== (first.row === -1)) {
        throw new IntegrityError(`cache group ${i}: row ${member.row}, but ${first.row} in group 0`);
      }
    }
  }
  for (const [i, { blockTables, blockTableStride }] of groups.entries()) {
    const held = new Set([...holders].map(({ members }) => members[i].row));
    for (let row = 0; row < blockTables.length / blockTableStride; row++) {
      if (held.has(row)) continue;
      const entries = blockTables.subarray(row * blockTableStride, (row + 1) * blockTableStride);
      if (entries.some((block) => block !== -1)) {
        throw new IntegrityError(`cache group ${i}: row ${row} has blocks, but no sequence of all groups holds it`);
      }
    }
  }
}
