// Loads a view when it is first shown: the page starts with the shell and one view.

import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';
import { words } from '../i18n/language.ts';
import type { View } from './route.ts';

const loaders: Readonly<Record<View, () => Promise<ComponentType>>> = {
  chat: async () => (await import('../chat/chat-view.tsx')).ChatView,
  memory: async () => (await import('../memory/memory-view.tsx')).MemoryView,
  scheduler: async () => (await import('../scheduler/scheduler-view.tsx')).SchedulerView,
  prefixes: async () => (await import('../prefixes/prefixes-view.tsx')).PrefixesView,
  metrics: async () => (await import('../metrics/metrics-view.tsx')).MetricsView,
  replay: async () => (await import('../replay/replay-view.tsx')).ReplayView,
};

const loaded = signal<Partial<Record<View, ComponentType>>>({});
const failed = signal<View | null>(null);

export function LazyView({ view }: { view: View }) {
  const Component = loaded.value[view];
  useEffect(() => {
    if (loaded.value[view] !== undefined) return;
    failed.value = null;
    loaders[view]().then(
      (component) => {
        loaded.value = { ...loaded.value, [view]: component };
      },
      () => {
        failed.value = view;
      },
    );
  }, [view]);
  if (Component !== undefined) return <Component />;
  return (
    <p class="notice" role="status">
      {failed.value === view ? words.value.shell.viewFailed : words.value.shell.loading}
    </p>
  );
}
