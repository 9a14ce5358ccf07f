// Whether the page is dark now; canvases cannot follow style sheets by themselves.

import { signal } from '@preact/signals';

const query = matchMedia('(prefers-color-scheme: dark)');

export const darkMode = signal(query.matches);
query.addEventListener('change', (event) => {
  darkMode.value = event.matches;
});
