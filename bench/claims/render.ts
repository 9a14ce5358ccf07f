// docs/claims.md from judged claims.

import type { ClaimGroup, Verdict } from './claim.ts';

export interface Setting {
  readonly date: string;
  readonly machine: string;
  readonly command: string;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

export function countVerdicts(groups: readonly ClaimGroup[]): ReadonlyMap<Verdict, number> {
  const counts = new Map<Verdict, number>();
  for (const { claims } of groups) {
    for (const { judgement } of claims) counts.set(judgement.verdict, (counts.get(judgement.verdict) ?? 0) + 1);
  }
  return counts;
}

export function renderClaims(groups: readonly ClaimGroup[], { date, machine, command }: Setting): string {
  const counts = [...countVerdicts(groups)].map(([verdict, count]) => `${count} ${verdict}`).join(', ');
  const lines = [
    '# Claims and measurements',
    '',
    'What the founding documents say of PagedAttention, beside what Octavo measures on the same kind of work. The documents speak of other machines and',
    'models, so ratios are compared, not figures. This page is written by the command below; do not edit it.',
    '',
    `\`${command}\` on ${date}, ${machine}. In all: ${counts}.`,
  ];
  for (const { title, method, claims } of groups) {
    lines.push(
      '',
      `## ${title}`,
      '',
      method,
      '',
      '| claim | source | measured | verdict | why |',
      '|---|---|---|---|---|',
    );
    for (const { source, says, judgement } of claims) {
      const { measured, verdict, why } = judgement;
      lines.push(`| ${[says, source, measured, `**${verdict}**`, why].map(cell).join(' | ')} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}
