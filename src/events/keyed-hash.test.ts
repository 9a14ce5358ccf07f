import { describe, expect, it } from 'vitest';
import { createKeyedHash } from './keyed-hash.ts';

describe('createKeyedHash', () => {
  it('gives the published values of SipHash-2-4', () => {
    const hash = createKeyedHash([0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c]);
    const words = [0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c];
    expect(hash(words, 0, 0)).toBe('726fdb47dd0e0e31');
    expect(hash(words, 0, 1)).toBe('cf2794e0277187b7');
    expect(hash(words, 0, 2)).toBe('93f5f5799a932462');
  });

  it('depends on the key, and on nothing outside the words', () => {
    const one = createKeyedHash([1, 2, 3, 4]);
    const other = createKeyedHash([1, 2, 3, 5]);
    const words = new Uint32Array([9, 0xffffffff, 7, 6, 5, 8]);
    expect(one(words, 1, 4)).toMatch(/^[0-9a-f]{16}$/);
    expect(one(words, 1, 4)).toBe(one([0xffffffff, 7, 6, 5], 0, 4));
    expect(one(words, 1, 4)).not.toBe(other(words, 1, 4));
    expect(one(words, 1, 4)).not.toBe(one(words, 1, 3));
  });
});
