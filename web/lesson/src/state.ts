// The state of the page: where the learner is, and the frames of the scene as it is turned.

import { computed, effect, signal } from '@preact/signals';
import { formatPlace, type Place, parsePlace, placeOf } from './link.ts';
import type { Frame } from './world/frame.ts';
import { type SceneName, sceneNames, scenes } from './world/scenes.ts';
import type { Settings } from './world/settings.ts';
import { runWorld } from './world/world.ts';

export const place = signal<Place>(parsePlace(location.hash));
export const frames = signal<readonly Frame[]>([]);
export const failure = signal<string | null>(null);
export const isPlaying = signal(false);

/** The step that is shown: that of the place, or the last one there is. */
export const shownStep = computed(() => Math.min(place.value.step, Math.max(0, frames.value.length - 1)));
export const frame = computed<Frame | null>(() => frames.value[shownStep.value] ?? null);

export function go(scene: SceneName): void {
  isPlaying.value = false;
  place.value = placeOf(scene);
}

export function neighbour(distance: -1 | 1): SceneName | null {
  return sceneNames[sceneNames.indexOf(place.value.scene) + distance] ?? null;
}

export function showStep(step: number): void {
  place.value = { ...place.value, step: Math.min(Math.max(0, step), frames.value.length - 1) };
}

export function turn<Name extends keyof Settings>(name: Name, value: Settings[Name]): void {
  place.value = { ...place.value, settings: { ...place.value.settings, [name]: value } };
}

export function reset(): void {
  place.value = { ...placeOf(place.value.scene), step: place.value.step };
}

/** A run is told by its scene and settings; the latest one asked for is shown. */
let wanted = '';
effect(() => {
  const { scene, settings } = place.value;
  const run = `${scene} ${JSON.stringify(settings)}`;
  if (run === wanted) return;
  wanted = run;
  runWorld(scenes[scene], settings).then(
    (made) => {
      if (run !== wanted) return;
      frames.value = made;
      failure.value = null;
    },
    (error: unknown) => {
      if (run !== wanted) return;
      frames.value = [];
      failure.value = String(error);
    },
  );
});

effect(() => {
  const hash = formatPlace(place.value);
  if (hash !== location.hash) history.replaceState(null, '', hash);
});
addEventListener('hashchange', () => {
  place.value = parsePlace(location.hash);
});

const stillness = matchMedia('(prefers-reduced-motion: reduce)');
const STEP_MS = 900;
effect(() => {
  if (!isPlaying.value) return;
  const timer = setInterval(
    () => {
      if (shownStep.peek() >= frames.peek().length - 1) isPlaying.value = false;
      else showStep(shownStep.peek() + 1);
    },
    stillness.matches ? 2 * STEP_MS : STEP_MS,
  );
  return () => clearInterval(timer);
});
