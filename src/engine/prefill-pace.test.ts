import { describe, expect, it } from 'vitest';
import { createPrefillPace } from './prefill-pace.ts';

describe('the pace of prompts beside decoding', () => {
  it('starts with a small chunk, then allows what keeps a step within the stretch', () => {
    const pace = createPrefillPace(4);
    expect(pace.allowance()).toBe(64);
    pace.observe({ decodeTokens: 8, promptTokens: 0 }, 10);
    expect(pace.allowance()).toBe(64);
    pace.observe({ decodeTokens: 8, promptTokens: 64 }, 26);
    // 16 ms for 64 tokens: a quarter of a millisecond each, and 30 ms to spend.
    expect(pace.allowance()).toBe(120);
  });

  it('learns from prompts that run alone', () => {
    const pace = createPrefillPace(3);
    pace.observe({ decodeTokens: 0, promptTokens: 500 }, 500);
    pace.observe({ decodeTokens: 4, promptTokens: 0 }, 20);
    expect(pace.allowance()).toBe(40);
  });

  it('never allows less than what makes use of the weights that are read', () => {
    const pace = createPrefillPace(2);
    pace.observe({ decodeTokens: 1, promptTokens: 0 }, 1);
    pace.observe({ decodeTokens: 0, promptTokens: 16 }, 1600);
    expect(pace.allowance()).toBe(16);
  });

  it('does not take what few decoded for what many do', () => {
    const pace = createPrefillPace(3);
    pace.observe({ decodeTokens: 0, promptTokens: 100 }, 25);
    // 4 ms a step and 1 ms a token, the last steps with few.
    for (let tokens = 16; tokens > 0; tokens--) {
      for (let i = 0; i < 8; i++) pace.observe({ decodeTokens: tokens, promptTokens: 0 }, 4 + tokens);
    }
    expect(pace.allowance(1)).toBeGreaterThan(35);
    expect(pace.allowance(1)).toBeLessThan(55);
    // 20 ms twice, at a quarter of a millisecond.
    expect(pace.allowance(16)).toBeGreaterThan(130);
    expect(pace.allowance(16)).toBeLessThan(165);
  });

  it('recovers when prompts queue behind what was measured with few', () => {
    const pace = createPrefillPace(3);
    pace.observe({ decodeTokens: 0, promptTokens: 100 }, 25);
    for (let i = 0; i < 20; i++) pace.observe({ decodeTokens: 1, promptTokens: 0 }, 5);
    let decodingOnly = 0;
    for (let i = 0; i < 200; i++) {
      const promptTokens = pace.allowance(16);
      if (promptTokens === 1) decodingOnly++;
      pace.observe({ decodeTokens: 16, promptTokens }, 4 + 16 + promptTokens / 4);
    }
    expect(decodingOnly).toBeGreaterThan(5);
    expect(decodingOnly).toBeLessThan(15);
    // 40 ms at a quarter of a millisecond.
    expect(pace.allowance(16)).toBeGreaterThan(120);
  });

  it('follows a machine that slows down', () => {
    const pace = createPrefillPace(3);
    for (let i = 0; i < 50; i++) {
      pace.observe({ decodeTokens: 1, promptTokens: 0 }, 10);
      pace.observe({ decodeTokens: 1, promptTokens: 100 }, 20);
    }
    expect(pace.allowance()).toBe(200);
    for (let i = 0; i < 50; i++) pace.observe({ decodeTokens: 1, promptTokens: 100 }, 60);
    expect(pace.allowance()).toBeLessThan(50);
  });

  it('charges late tokens for what they attend to', () => {
    const pace = createPrefillPace(3);
    const context = (count: number, position: number) => count * position + (count * (count - 1)) / 2;
    for (const position of [0, 512, 1024, 4096]) {
      const promptContext = context(512, position);
      pace.observe({ decodeTokens: 0, promptTokens: 512, promptContext }, 512 * 0.5 + promptContext * 1e-4);
    }
    expect(pace.promptMs(16, 0)).toBeCloseTo(8, 0);
    expect(pace.promptMs(16, 8192)).toBeCloseTo(8 + 16 * 0.8192, 0);
  });

  it('sets no limit when told so', () => {
    const pace = createPrefillPace(Number.POSITIVE_INFINITY);
    pace.observe({ decodeTokens: 1, promptTokens: 0 }, 10);
    expect(pace.allowance()).toBe(Number.POSITIVE_INFINITY);
  });
});
