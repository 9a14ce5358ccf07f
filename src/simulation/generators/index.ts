// Public parts of the generators.

export { type GeneratorOptions, generatedArrivals } from './generate.ts';
export { type DrawLength, type LengthSpec, lengthsOf, parseLengthSpec } from './lengths.ts';
export { type PrefixLevel, parsePrefixTree, prefixTokens } from './prefix-tree.ts';
