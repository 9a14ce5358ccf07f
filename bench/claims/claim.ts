// A claim of the founding documents beside what Octavo measures on the same kind of work.

/** `not measured` is for claims about things that Octavo has not, or that this machine cannot run. */
export type Verdict = 'holds' | 'holds in part' | 'does not hold' | 'not measured';

export interface Judgement {
  readonly measured: string;
  readonly verdict: Verdict;
  readonly why: string;
}

export interface Claim {
  /** The founding document that makes it, by number, and where in it. */
  readonly source: string;
  readonly says: string;
  readonly judgement: Judgement;
}

/** A group of claims that one measurement answers. */
export interface ClaimGroup {
  readonly title: string;
  /** What was run, in one or two sentences. */
  readonly method: string;
  readonly claims: readonly Claim[];
}

/** `holds` from `full` on, `holds in part` from `part` on; below that it does not. */
export function verdictOf(value: number, full: number, part: number): Verdict {
  if (value >= full) return 'holds';
  return value >= part ? 'holds in part' : 'does not hold';
}

/** For a claim that names no case: `holds` if every case reaches `asked`, `holds in part` if one does. */
export function verdictOfAll(values: readonly number[], asked: number): Verdict {
  if (values.every((value) => value >= asked)) return 'holds';
  return values.some((value) => value >= asked) ? 'holds in part' : 'does not hold';
}

export function percent(share: number, digits = 0): string {
  return `${(share * 100).toFixed(digits)} %`;
}
