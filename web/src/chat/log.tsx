// The messages of a conversation. It follows an answer as it grows, unless the reader has scrolled up.

import { useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { milliseconds } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { cssColourOf } from '../parts/sequence-colours.ts';
import { formatRoute } from '../shell/route.ts';
import { darkMode } from '../shell/theme.ts';
import { type Answer, activeId, type Conversation, forkConversation, type Message } from './conversations.ts';
import { sendAgain } from './send.ts';

function ForkButton({ conversation, index }: { conversation: Conversation; index: number }) {
  const text = words.value.chat;
  return (
    <button
      type="button"
      class="quiet"
      aria-label={`${text.fork}${text.forkAt(index + 1)}`}
      onClick={() => {
        activeId.value = forkConversation(conversation, index + 1).id;
      }}
    >
      {text.fork}
    </button>
  );
}

function AnswerNote({ answer }: { answer: Answer }) {
  const text = words.value.chat;
  const usage = answer.usage.value;
  const parts: string[] = [];
  if (answer.state.value !== 'done') parts.push(text.states[answer.state.value]);
  if (answer.error.value !== null) parts.push(answer.error.value);
  if (usage !== null) parts.push(text.usage(usage.promptTokens, usage.cachedTokens, usage.completionTokens));
  const { value: firstMs } = answer.firstTextMs;
  const { value: totalMs } = answer.totalMs;
  if (firstMs !== null && totalMs !== null && usage !== null) {
    const rate = totalMs > firstMs ? (usage.completionTokens / (totalMs - firstMs)) * 1000 : 0;
    parts.push(text.timing(milliseconds(firstMs), Math.round(rate)));
  }
  return <span class={answer.state.value === 'failed' ? 'error' : ''}>{parts.join(' · ')}</span>;
}

function AnswerView({ conversation, answer, index }: { conversation: Conversation; answer: Answer; index: number }) {
  const text = words.value.chat;
  const requestId = answer.requestId.value;
  const state = answer.state.value;
  const live = state === 'running' || state === 'queued';
  return (
    <article
      class={`answer ${state}`}
      aria-busy={live}
      aria-label={text.answer}
      style={requestId === null ? {} : { borderColor: cssColourOf(requestId, darkMode.value) }}
    >
      <p class="said" data-foreign>
        {answer.text.value}
        {live && <span class="cursor" aria-hidden="true" />}
      </p>
      <footer>
        <AnswerNote answer={answer} />
        {live ? (
          <button type="button" class="quiet" onClick={() => answer.abort.abort()}>
            {text.stop}
          </button>
        ) : (
          <ForkButton conversation={conversation} index={index} />
        )}
        {(state === 'failed' || state === 'stopped') && index === conversation.messages.value.length - 1 && (
          <button type="button" class="quiet" onClick={() => sendAgain(conversation)}>
            {text.again}
          </button>
        )}
        {requestId !== null && <a href={formatRoute('scheduler', { request: requestId })}>{text.explain}</a>}
      </footer>
    </article>
  );
}

function MessageView({
  conversation,
  message,
  index,
}: {
  conversation: Conversation;
  message: Message;
  index: number;
}) {
  if (message.role === 'assistant') return <AnswerView conversation={conversation} answer={message} index={index} />;
  return (
    <article class="prompt" aria-label={words.value.chat.you}>
      <p class="said" data-foreign>
        {message.text}
      </p>
      <footer>
        <ForkButton conversation={conversation} index={index} />
      </footer>
    </article>
  );
}

export function Log({ conversation }: { conversation: Conversation }) {
  const log = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const lastTop = useRef(0);
  useSignalEffect(() => {
    for (const message of conversation.messages.value) if (message.role === 'assistant') void message.text.value;
    requestAnimationFrame(() => {
      if (follows.current) log.current?.scrollTo({ top: log.current.scrollHeight });
    });
  });
  const messages = conversation.messages.value;
  return (
    // A region that scrolls has to be reachable by keyboard.
    <div
      class="log"
      role="log"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: for scrolling
      tabIndex={0}
      aria-label={words.value.chat.messages}
      ref={log}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        if (scrollTop < lastTop.current) follows.current = false;
        if (scrollHeight - scrollTop - clientHeight < 60) follows.current = true;
        lastTop.current = scrollTop;
      }}
    >
      {messages.length === 0 && <p class="hint">{words.value.chat.hint}</p>}
      {messages.map((message, index) => (
        // Messages of a conversation never change places.
        <MessageView key={index} conversation={conversation} message={message} index={index} />
      ))}
    </div>
  );
}
