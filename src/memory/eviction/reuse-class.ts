// What a block's past says of its future: a byte of history, and the class that the reuse model files it under.

/** Groups by reuses: 0, 1, 2 to 3, 4 to 7, 8 or more. */
const GROUPS = 5;
/** Within a group: the chain goes on after the block, and it was begun by a first or a later request; or it ends with it. */
const MEMBERS = 3;
export const CLASS_COUNT = GROUPS * MEMBERS;
export const GROUP_SIZE = MEMBERS;

const MAX_REUSES = 31;
const MAX_ROUND = 3;
const EXTENDED_BIT = 0x80;

/** Bits 0 and 1: its round; bits 2 to 6: its reuses; bit 7: whether another block continues its chain. */
export function makeHistory(reuses: number, round: number): number {
  return (Math.min(reuses, MAX_REUSES) << 2) | Math.min(round, MAX_ROUND);
}

export const reusesOf = (history: number): number => (history >> 2) & MAX_REUSES;

/** The round of a block: how often its chain had been taken up by a later request when it was added. A conversation's turn, roughly. */
export const roundOf = (history: number): number => history & MAX_ROUND;

/** The round of a block that follows one with this history. */
export const nextRoundOf = (history: number): number => roundOf(history) + (reusesOf(history) > 0 ? 1 : 0);

export const withReuse = (history: number): number =>
  makeHistory(reusesOf(history) + 1, roundOf(history)) | (history & EXTENDED_BIT);

export const withContinuation = (history: number): number => history | EXTENDED_BIT;

export function classOf(history: number): number {
  const reuses = reusesOf(history);
  const group = reuses === 0 ? 0 : Math.min(GROUPS - 1, 1 + Math.floor(Math.log2(reuses)));
  const member = history < EXTENDED_BIT ? 2 : roundOf(history) > 1 ? 1 : 0;
  return group * MEMBERS + member;
}
