// The tabs: one stop for the Tab key, arrow keys between them.

import { words } from '../i18n/language.ts';
import { formatRoute, go, route, type View, views } from './route.ts';

export function tabId(view: View): string {
  return `tab-${view}`;
}

/** The tab that a key leads to from `view`, or null if the key means nothing here. */
function target(key: string, view: View): View | null {
  const index = views.indexOf(view);
  switch (key) {
    case 'ArrowRight':
      return views[(index + 1) % views.length];
    case 'ArrowLeft':
      return views[(index + views.length - 1) % views.length];
    case 'Home':
      return views[0];
    case 'End':
      return views[views.length - 1];
    default:
      return null;
  }
}

export function Tabs() {
  const current = route.value.view;
  return (
    <div class="tabs" role="tablist" aria-label={words.value.shell.tabs}>
      {views.map((view) => (
        <a
          key={view}
          id={tabId(view)}
          role="tab"
          href={formatRoute(view)}
          aria-selected={view === current}
          aria-controls="view"
          tabIndex={view === current ? 0 : -1}
          onKeyDown={(event) => {
            const next = target(event.key, view);
            if (next === null) {
              if (event.key === ' ') {
                event.preventDefault();
                go(view);
              }
              return;
            }
            event.preventDefault();
            go(next);
            document.getElementById(tabId(next))?.focus();
          }}
        >
          {words.value.views[view]}
        </a>
      ))}
    </div>
  );
}
