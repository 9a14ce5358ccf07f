// The shell: header, tabs, the field for the API key, and the view that the route names.

import { useEffect } from 'preact/hooks';
import { words } from '../i18n/language.ts';
import { SourceProvider } from '../live/source.ts';
import { liveSource } from '../live/stream.ts';
import { reachable } from '../metrics/poll.ts';
import { type KeyKind, refusals, setKey } from '../server/api.ts';
import { Header } from './header.tsx';
import { LazyView } from './lazy-view.tsx';
import { route } from './route.ts';
import { Tabs, tabId } from './tabs.tsx';

function KeyField({ kind }: { kind: KeyKind }) {
  const refusal = refusals[kind].value;
  if (refusal === '') return null;
  const text = words.value.shell;
  return (
    <form
      class="key-field"
      onSubmit={(event) => {
        event.preventDefault();
        setKey(kind, String(new FormData(event.currentTarget).get('key') ?? ''));
      }}
    >
      <label title={refusal}>
        {kind === 'api' ? text.needsKey : text.eventsNeedKey} <input name="key" type="password" autocomplete="off" />
      </label>
      <button type="submit" class="primary">
        {text.useKey}
      </button>
      <span class="faint">{refusal}</span>
    </form>
  );
}

export function App() {
  const { view } = route.value;
  const text = words.value.shell;
  useEffect(() => {
    document.title = `${words.value.views[view]} · Octavo`;
  });
  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: a link is what is expected here; the hash is the route */}
      <a
        class="skip"
        href="#view"
        onClick={(event) => {
          // The hash is the route, so the link moves the focus by itself.
          event.preventDefault();
          document.getElementById('view')?.focus();
        }}
      >
        {text.skip}
      </a>
      <header class="top">
        <Header />
        <Tabs />
      </header>
      {reachable.value === 'lost' && <p class="lost">{text.lost}</p>}
      <KeyField kind="api" />
      <KeyField kind="admin" />
      <main class="view">
        <div id="view" role="tabpanel" aria-labelledby={tabId(view)} tabIndex={-1} class={`view-${view}`}>
          <SourceProvider value={liveSource}>
            <LazyView view={view} />
          </SourceProvider>
        </div>
      </main>
    </>
  );
}
