// What something costs that grows in two ways, learnt from what it took.

/** `ms = first * a + second * b`, with a and b not negative, that fit the observations best, of which newer ones count more. */
export interface TwoPartRate {
  /** Null before the first observation. */
  ms(first: number, second: number): number | null;
  observe(first: number, second: number, ms: number): void;
}

/** What an observation still counts when the next one is there. */
const KEPT = 0.85;

/**
 * Least squares with exponential forgetting. Until observations differ in shape the two parts cannot be told apart; then all of it is put
 * down to the first.
 */
export function createTwoPartRate(): TwoPartRate {
  let firstFirst = 0;
  let firstSecond = 0;
  let secondSecond = 0;
  let firstMs = 0;
  let secondMs = 0;
  let perFirst = 0;
  let perSecond = 0;
  let isKnown = false;

  function solve(): void {
    const determinant = firstFirst * secondSecond - firstSecond * firstSecond;
    perFirst = firstFirst > 0 ? firstMs / firstFirst : 0;
    perSecond = 0;
    if (determinant < 1e-3 * firstFirst * secondSecond) return;
    const a = (firstMs * secondSecond - secondMs * firstSecond) / determinant;
    const b = (secondMs * firstFirst - firstMs * firstSecond) / determinant;
    if (b < 0) return;
    perFirst = Math.max(0, a);
    perSecond = a < 0 ? secondMs / secondSecond : b;
  }

  return {
    ms: (first, second) => (isKnown ? first * perFirst + second * perSecond : null),
    observe(first, second, ms) {
      isKnown = true;
      firstFirst = KEPT * firstFirst + first * first;
      firstSecond = KEPT * firstSecond + first * second;
      secondSecond = KEPT * secondSecond + second * second;
      firstMs = KEPT * firstMs + first * ms;
      secondMs = KEPT * secondMs + second * ms;
      solve();
    },
  };
}
