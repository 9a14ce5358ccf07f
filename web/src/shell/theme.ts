// Light, dark, or as the system is. Style sheets follow `data-theme`; canvases, which cannot, read `darkMode`.

import { computed, effect, signal } from '@preact/signals';
import { storedSignal } from './stored.ts';

export const themeChoices = ['auto', 'light', 'dark'] as const;
export type ThemeChoice = (typeof themeChoices)[number];

export const themeChoice = storedSignal<ThemeChoice>('octavo-theme', themeChoices, 'auto');

const query = matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(query.matches);
query.addEventListener('change', (event) => {
  systemDark.value = event.matches;
});

export const darkMode = computed(() =>
  themeChoice.value === 'auto' ? systemDark.value : themeChoice.value === 'dark',
);

effect(() => {
  document.documentElement.dataset.theme = themeChoice.value;
});
