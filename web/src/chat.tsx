// The chat: exchanges, the field for the next prompt, and buttons to send it once or four times at once.

import { useSignal, useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';
import {
  type Answer,
  clearChat,
  type Exchange,
  exchanges,
  type Mode,
  maxTokens,
  mode,
  send,
  stopAll,
  temperature,
} from './chat-state.ts';
import { colourOf } from './colours.ts';
import { darkMode } from './theme.ts';

const demoCount = 4;

function AnswerCard({ answer }: { answer: Answer }) {
  const requestId = answer.requestId.value;
  const colour = requestId === null ? 'transparent' : colourOf(requestId, darkMode.value);
  return (
    <article class={`answer ${answer.state.value}`} style={{ borderColor: colour }}>
      <p class="text">
        {answer.text.value}
        {answer.state.value === 'running' && <span class="cursor" />}
      </p>
      <footer>
        <i style={{ background: colour }} /> {answer.note.value}
        {answer.state.value === 'running' && (
          <button type="button" class="quiet" onClick={() => answer.abort.abort()}>
            stop
          </button>
        )}
      </footer>
    </article>
  );
}

function ExchangeView({ exchange }: { exchange: Exchange }) {
  return (
    <section class="exchange">
      <p class="prompt">{exchange.prompt}</p>
      <div class={exchange.answers.length > 1 ? 'answers several' : 'answers'}>
        {exchange.answers.map((answer, index) => (
          // Answers of an exchange never change places.
          <AnswerCard key={index} answer={answer} />
        ))}
      </div>
    </section>
  );
}

function Settings() {
  return (
    <div class="settings">
      <label>
        <select
          aria-label="Mode"
          value={mode.value}
          onChange={(event) => {
            mode.value = event.currentTarget.value as Mode;
          }}
        >
          <option value="chat">Chat</option>
          <option value="text">Continue text</option>
        </select>
      </label>
      <label>
        temperature{' '}
        <input
          type="number"
          min="0"
          max="2"
          step="0.1"
          value={temperature.value}
          onInput={(event) => {
            temperature.value = Number(event.currentTarget.value);
          }}
        />
      </label>
      <label>
        max tokens{' '}
        <input
          type="number"
          min="1"
          value={maxTokens.value}
          onInput={(event) => {
            maxTokens.value = Math.max(1, Number(event.currentTarget.value));
          }}
        />
      </label>
      <span class="grow" />
      <button type="button" class="quiet" onClick={stopAll}>
        stop all
      </button>
      <button type="button" class="quiet" onClick={clearChat}>
        clear
      </button>
    </div>
  );
}

export function Chat() {
  const draft = useSignal('');
  const log = useRef<HTMLDivElement>(null);
  const count = exchanges.value.length;
  // Follows the answers as they grow, unless the reader has scrolled up.
  const follows = useRef(true);
  const lastTop = useRef(0);
  useSignalEffect(() => {
    for (const exchange of exchanges.value) for (const answer of exchange.answers) void answer.text.value;
    requestAnimationFrame(() => {
      if (follows.current) log.current?.scrollTo({ top: log.current.scrollHeight });
    });
  });
  const submit = (times: number) => {
    const prompt = draft.value.trim();
    if (prompt === '') return;
    follows.current = true;
    send(prompt, times);
    draft.value = '';
  };
  return (
    <section class="chat" aria-label="Chat">
      <div
        class="log"
        ref={log}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          if (scrollTop < lastTop.current) follows.current = false;
          if (scrollHeight - scrollTop - clientHeight < 60) follows.current = true;
          lastTop.current = scrollTop;
        }}
      >
        {count === 0 && (
          <p class="hint">
            Write something below. Each answer has a colour, and the blocks that hold its keys and values have the same
            colour on the block map. Send one prompt {demoCount} times at once to see blocks being shared.
          </p>
        )}
        {exchanges.value.map((exchange) => (
          <ExchangeView key={exchange.key} exchange={exchange} />
        ))}
      </div>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit(1);
        }}
      >
        <textarea
          rows={3}
          aria-label="Prompt"
          placeholder={mode.value === 'chat' ? 'Say something' : 'Begin a story'}
          value={draft.value}
          onInput={(event) => {
            draft.value = event.currentTarget.value;
          }}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            submit(1);
          }}
        />
        <div class="buttons">
          <button type="submit">Send</button>
          <button type="button" onClick={() => submit(demoCount)} title="Four requests with the same prompt">
            Send {demoCount} at once
          </button>
        </div>
        <Settings />
      </form>
    </section>
  );
}
