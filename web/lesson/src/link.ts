// A state of the lesson as the hash of its address, and back: #/eviction/12?policy=lfu&poolSlots=128

import { memoryModes } from '../../../src/memory/create-memory.ts';
import { evictionPolicyNames } from '../../../src/memory/eviction/index.ts';
import { type SceneName, sceneNames, scenes } from './world/scenes.ts';
import { limits, type Settings, type Slider, sliders } from './world/settings.ts';

export interface Place {
  readonly scene: SceneName;
  readonly step: number;
  readonly settings: Settings;
}

/** Steps shown when a scene is opened without one: something has happened by then. */
const FIRST_STEP = 1;

export function placeOf(scene: SceneName): Place {
  return { scene, step: FIRST_STEP, settings: scenes[scene].defaults };
}

/** Whatever is missing, unknown or out of range is as the scene has it by default. */
export function parsePlace(hash: string): Place {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [name, stepText] = path.split('/');
  const scene = sceneNames.find((known) => known === name) ?? sceneNames[0];
  const { defaults, controls } = scenes[scene];
  const given = new URLSearchParams(query);
  const settings: Record<string, unknown> = { ...defaults };
  for (const control of controls) {
    const text = given.get(control);
    if (text === null) continue;
    const value = readSetting(control, text);
    if (value !== null) settings[control] = value;
  }
  const step = Number(stepText);
  return {
    scene,
    step: Number.isInteger(step) && step >= 0 ? step : FIRST_STEP,
    settings: settings as unknown as Settings,
  };
}

function readSetting(control: keyof Settings, text: string): unknown {
  if (control === 'memory') return memoryModes.find((mode) => mode === text) ?? null;
  if (control === 'policy') return evictionPolicyNames.find((policy) => policy === text) ?? null;
  const { min, max, step } = limits[control as Slider];
  const value = Number(text);
  return sliders.includes(control as Slider) && value >= min && value <= max && (value - min) % step === 0
    ? value
    : null;
}

/** Only what differs from the scene's defaults is written. */
export function formatPlace({ scene, step, settings }: Place): string {
  const { defaults, controls } = scenes[scene];
  const changed = new URLSearchParams();
  for (const control of controls) {
    if (settings[control] !== defaults[control]) changed.set(control, String(settings[control]));
  }
  const query = changed.toString();
  return `#/${scene}/${step}${query === '' ? '' : `?${query}`}`;
}
