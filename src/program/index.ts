// The program layer: operations as data, and the builder that records them.

export * from './builder.ts';
export * from './program.ts';
export * from './rope.ts';
