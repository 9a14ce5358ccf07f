// Safetensors: model folders as a source of weights.

export { type OpenedSafetensors, type OpenSafetensorsOptions, openSafetensors } from './folder.ts';
export { readSafetensorsHeader, type SafetensorsTensor } from './header.ts';
