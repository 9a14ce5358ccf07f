// Beside the chat: the pool, with the blocks of this conversation standing out, and its page table.

import { useSignal } from '@preact/signals';
import { count } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { SourceProvider, useMoment } from '../live/source.ts';
import { liveSource } from '../live/stream.ts';
import { BlockMap } from '../memory/block-map.tsx';
import { colouringSpec } from '../memory/colouring.ts';
import { Legend } from '../memory/legend.tsx';
import { entriesOf, PageTableGrid } from '../memory/page-table.tsx';
import { go } from '../shell/route.ts';
import type { Conversation } from './conversations.ts';
import { holdingsOf } from './holdings.ts';

function Panels({ conversation }: { conversation: Conversation }) {
  const moment = useMoment();
  const counts = useSignal<readonly number[]>([]);
  const text = words.value.chat;
  if (moment === null) return <p class="notice">{words.value.shell.waitingForEvents}</p>;
  const { table, blocks, shared, running } = holdingsOf(conversation);
  return (
    <>
      <section class="panel" aria-label={text.pool}>
        <h2>{text.pool}</h2>
        <BlockMap
          by="sequence"
          group={0}
          heightPx={230}
          selected={null}
          select={(block) => {
            if (block !== null) go('memory', { block: String(block) });
          }}
          sequences={null}
          onCounts={(now) => {
            counts.value = now;
          }}
        />
        <Legend by="sequence" spec={colouringSpec('sequence')} counts={counts.value} />
        <p id="map-keys" class="visually-hidden">
          {words.value.memory.keys}
        </p>
      </section>
      <section class="panel" aria-label={text.table}>
        <h2>{text.table}</h2>
        <p class="hint" data-holdings={blocks} data-shared={shared.size}>
          {blocks === 0
            ? text.holdsNothing
            : running
              ? text.holdsNow(count(blocks), count(shared.size))
              : text.holdsCached(count(blocks), count(shared.size))}
        </p>
        {table.length > 0 && (
          <PageTableGrid
            entries={entriesOf(moment, 0, table, shared)}
            selected={null}
            select={(block) => go('memory', { block: String(block) })}
          />
        )}
      </section>
    </>
  );
}

export function ConversationMemory({ conversation }: { conversation: Conversation }) {
  return (
    <aside class="conversation-memory" aria-label={words.value.chat.memory}>
      <SourceProvider value={liveSource}>
        <Panels conversation={conversation} />
      </SourceProvider>
    </aside>
  );
}
