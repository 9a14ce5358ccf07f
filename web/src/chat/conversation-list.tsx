// All conversations: which is shown, which stream, what each holds in the pool.

import { words } from '../i18n/language.ts';
import {
  activeConversation,
  activeId,
  type Conversation,
  clearConversations,
  closeConversation,
  conversations,
  isStreaming,
  openConversation,
} from './conversations.ts';
import { holdingsOf } from './holdings.ts';

export function titleOf(conversation: Conversation): string {
  const first = conversation.messages.value.find((message) => message.role === 'user');
  const draft = conversation.draft.value.trim();
  return first?.role === 'user' ? first.text : draft === '' ? words.value.chat.untitled(conversation.id) : draft;
}

function Holdings({ conversation }: { conversation: Conversation }) {
  const { blocks, shared } = holdingsOf(conversation);
  const text = words.value.chat;
  return (
    <span class="holdings" data-blocks={blocks} data-shared={shared.size}>
      {blocks === 0 ? text.holdsNothing : text.holds(blocks, shared.size)}
    </span>
  );
}

function Item({ conversation }: { conversation: Conversation }) {
  const text = words.value.chat;
  const title = titleOf(conversation);
  return (
    <li class={conversation.id === activeConversation().id ? 'current' : ''}>
      <button
        type="button"
        class="open"
        aria-current={conversation.id === activeConversation().id ? 'true' : undefined}
        onClick={() => {
          activeId.value = conversation.id;
        }}
      >
        <span class="title" title={title} data-foreign>
          {isStreaming(conversation) && <span class="streaming" role="img" aria-label={text.states.running} />}
          {title}
        </span>
        <span class="detail">
          #{conversation.id}
          {conversation.origin !== null && ` ← #${conversation.origin.id}`} · <Holdings conversation={conversation} />
        </span>
      </button>
      <button
        type="button"
        class="quiet"
        aria-label={text.closeNamed(title)}
        data-foreign
        onClick={() => closeConversation(conversation)}
      >
        ×
      </button>
    </li>
  );
}

export function ConversationList() {
  const text = words.value.chat;
  return (
    <nav class="conversations" aria-label={text.conversations}>
      <div class="actions">
        <button
          type="button"
          onClick={() => {
            activeId.value = openConversation(activeConversation().mode.value).id;
          }}
        >
          {text.open}
        </button>
        <button type="button" class="quiet" onClick={clearConversations}>
          {text.clear}
        </button>
      </div>
      <ul>
        {conversations.value.map((conversation) => (
          <Item key={conversation.id} conversation={conversation} />
        ))}
      </ul>
      <p class="hint">{text.keptInMemory}</p>
    </nav>
  );
}
