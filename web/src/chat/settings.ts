// Sampling settings of the chat. Null leaves a field out of the request, so that the server's default applies.

import { signal } from '@preact/signals';

export interface SettingField {
  /** The name in the request. */
  readonly name:
    | 'temperature'
    | 'top_p'
    | 'top_k'
    | 'min_p'
    | 'repetition_penalty'
    | 'presence_penalty'
    | 'frequency_penalty'
    | 'max_tokens'
    | 'seed';
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

export const settingFields: readonly SettingField[] = [
  { name: 'max_tokens', min: 1, max: 1_000_000, step: 1 },
  { name: 'temperature', min: 0, max: 2, step: 0.1 },
  { name: 'top_p', min: 0.01, max: 1, step: 0.01 },
  { name: 'top_k', min: 0, max: 1_000_000, step: 1 },
  { name: 'min_p', min: 0, max: 1, step: 0.01 },
  { name: 'repetition_penalty', min: 0.01, max: 10, step: 0.01 },
  { name: 'presence_penalty', min: -2, max: 2, step: 0.1 },
  { name: 'frequency_penalty', min: -2, max: 2, step: 0.1 },
  { name: 'seed', min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 },
];

export type Settings = Partial<Record<SettingField['name'], number>>;

export const settings = signal<Settings>({ max_tokens: 200, temperature: 0.8 });

/** Takes what a field holds; anything out of range, or nothing, is left out of the request. */
export function setSetting(field: SettingField, text: string): void {
  const value = Number(text);
  const next: Settings = { ...settings.value };
  if (text.trim() === '' || !Number.isFinite(value) || value < field.min || value > field.max) delete next[field.name];
  else next[field.name] = field.step === 1 ? Math.round(value) : value;
  settings.value = next;
}
