// The chat: conversations on the left, the active one in the middle, its memory on the right.

import './chat.css';
import { words } from '../i18n/language.ts';
import { Composer } from './composer.tsx';
import { ConversationList } from './conversation-list.tsx';
import { ConversationMemory } from './conversation-memory.tsx';
import { activeConversation } from './conversations.ts';
import { Log } from './log.tsx';

export function ChatView() {
  const conversation = activeConversation();
  return (
    <div class="chat">
      <ConversationList />
      <section class="conversation panel" aria-label={words.value.chat.conversation}>
        <Log key={conversation.id} conversation={conversation} />
        <Composer key={`composer-${conversation.id}`} conversation={conversation} />
      </section>
      <ConversationMemory conversation={conversation} />
    </div>
  );
}
