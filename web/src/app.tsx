// The layout of the page, and the field for the API key.

import { BlockMap } from './block-map.tsx';
import { Chat } from './chat.tsx';
import { Counters } from './counters.tsx';
import { connection, frame } from './frames.ts';
import { keyRefused, setApiKey } from './server-api.ts';

function KeyField() {
  if (!keyRefused.value) return null;
  return (
    <form
      class="key"
      onSubmit={(event) => {
        event.preventDefault();
        setApiKey(String(new FormData(event.currentTarget).get('key') ?? ''));
      }}
    >
      <label>
        This server needs an API key: <input name="key" type="password" autocomplete="off" />
      </label>
      <button type="submit">Use</button>
    </form>
  );
}

const connectionText = { connecting: 'connecting …', live: 'live', lost: 'no connection, trying again …' };

export function App() {
  return (
    <>
      <header>
        <h1>Octavo</h1>
        <span class="model">{frame.value?.model ?? ''}</span>
        <span class={`connection ${connection.value}`} role="status">
          {connectionText[connection.value]}
        </span>
      </header>
      <KeyField />
      <main>
        <Chat />
        <section class="memory" aria-label="KV cache">
          <Counters />
          <BlockMap />
        </section>
      </main>
    </>
  );
}
