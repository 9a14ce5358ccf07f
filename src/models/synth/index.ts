// Synthesised models: random weights in real shapes.

export { type SynthShapeName, synthShape, synthShapeNames } from './shapes.ts';
export { type SynthOptions, synthDTypes, synthesizeGguf, synthesizeTo } from './synthesize.ts';
export type { SynthDType } from './tensors.ts';
