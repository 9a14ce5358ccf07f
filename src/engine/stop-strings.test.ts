// Tests of streamed stop strings against a search of the whole text.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createStopMatcher } from './stop-strings.ts';

function stream(pieces: readonly string[], stops: readonly string[]): { text: string; stopped: string | null } {
  const matcher = createStopMatcher(stops);
  let text = '';
  for (const piece of pieces) {
    const match = matcher.push(piece);
    text += match.text;
    if (match.stopped !== null) return { text, stopped: match.stopped };
  }
  return { text: text + matcher.end(), stopped: null };
}

describe('stop strings', () => {
  it('are found across pieces and never leak', () => {
    expect(stream(['Hello, w', 'or', 'ld! more'], ['world'])).toEqual({ text: 'Hello, ', stopped: 'world' });
    expect(stream(['aab', 'aac'], ['aac'])).toEqual({ text: 'aab', stopped: 'aac' });
  });

  it('release what turns out not to be one', () => {
    const matcher = createStopMatcher(['abcd']);
    expect(matcher.push('xabc')).toEqual({ text: 'x', stopped: null });
    expect(matcher.push('e')).toEqual({ text: 'abce', stopped: null });
    expect(matcher.push('ab').text).toBe('');
    expect(matcher.end()).toBe('ab');
  });

  it('give the text before the first occurrence, for one stop string and any pieces', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 6 });
    fc.assert(
      fc.property(
        fc.array(letters, { maxLength: 12 }),
        fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 }),
        (pieces, stop) => {
          const whole = pieces.join('');
          const at = whole.indexOf(stop);
          expect(stream(pieces, [stop])).toEqual(
            at < 0 ? { text: whole, stopped: null } : { text: whole.slice(0, at), stopped: stop },
          );
        },
      ),
    );
  });
});
