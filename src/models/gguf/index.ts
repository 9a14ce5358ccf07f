// GGUF files: reading, writing and opening them as a source of weights.

export { type GgufHeader, readGgufHeader } from './header.ts';
export { type OpenedGguf, type OpenGgufOptions, openGguf } from './source.ts';
export type { GgufArray, GgufMetadata, GgufNumberArray, GgufScalarType, GgufTensor, GgufValue } from './types.ts';
export { type GgufMetadataEntry, type GgufTensorData, writeGguf } from './writer.ts';
