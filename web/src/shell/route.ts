// The route is in the hash: `#/memory?block=12`. Every state worth a link is in it.

import { signal } from '@preact/signals';

export const views = ['chat', 'memory', 'scheduler', 'prefixes', 'metrics', 'replay'] as const;
export type View = (typeof views)[number];

export interface Route {
  readonly view: View;
  readonly params: Readonly<Record<string, string>>;
}

/** Unknown views are the first one. */
export function parseRoute(hash: string): Route {
  const [path, search = ''] = hash.replace(/^#\/?/, '').split('?');
  const view = views.find((name) => name === path) ?? views[0];
  return { view, params: Object.fromEntries(new URLSearchParams(search)) };
}

export function formatRoute(view: View, params: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(params).toString();
  return `#/${view}${search === '' ? '' : `?${search}`}`;
}

export const route = signal(parseRoute(location.hash));
addEventListener('hashchange', () => {
  route.value = parseRoute(location.hash);
});

/** Changes parameters of this view without a new entry in the history; null removes one. */
export function setParams(changes: Readonly<Record<string, string | null>>): void {
  const params: Record<string, string> = { ...route.value.params };
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) delete params[name];
    else params[name] = value;
  }
  history.replaceState(null, '', formatRoute(route.value.view, params));
  route.value = { view: route.value.view, params };
}

export function go(view: View, params: Readonly<Record<string, string>> = {}): void {
  location.hash = formatRoute(view, params);
}
