// What /proc/stat says about time that the host took, and how it is told.

import { describe, expect, it } from 'vitest';
import { formatStolen, parseProcessorTimes, processorTimes, stolenShare } from './stolen.ts';

const stat = (user: number, idle: number, stolen: number) =>
  `cpu  ${user} 10 20 ${idle} 5 1 2 ${stolen} 7 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nctxt 12\n`;

describe('stolen time', () => {
  it('is read with what was wanted, idle time and guests aside', () => {
    expect(parseProcessorTimes(stat(100, 1000, 30))).toEqual({ wanted: 163, stolen: 30 });
  });

  it.each(['', 'cpu\n', 'cpu  1 2 3 4\n', 'intr 1 2 3 4 5 6 7 8 9\n'])('is unknown of %j', (text) => {
    expect(parseProcessorTimes(text)).toBeNull();
  });

  it('is a share of what was wanted', () => {
    const before = parseProcessorTimes(stat(100, 1000, 30));
    expect(stolenShare(before, parseProcessorTimes(stat(175, 5000, 55)))).toBe(0.25);
    expect(stolenShare(before, before)).toBe(0);
    expect(stolenShare(before, null)).toBeNull();
    expect(stolenShare(null, before)).toBeNull();
  });

  it('is what this system says, or unknown', () => {
    const times = processorTimes();
    if (process.platform === 'linux') expect(times!.wanted).toBeGreaterThan(0);
    else expect(times).toBeNull();
  });

  it('is told from 1 % on', () => {
    expect(formatStolen(null)).toBe('');
    expect(formatStolen(0.004)).toBe('');
    expect(formatStolen(0.276)).toContain('28 %');
  });
});
