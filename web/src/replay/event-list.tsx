// The events around the position, as they were recorded.

import type { OctavoEvent } from '../../../src/events/types.ts';
import { count } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { ScrollBox } from '../parts/scroll-box.tsx';
import type { Player } from './player.ts';

const before = 8;
const after = 4;

/** The fields of an event, without its stamp, in one bounded line. */
function fieldsOf(event: OctavoEvent): string {
  const {
    id: _id,
    step: _step,
    timeMs: _timeMs,
    type: _type,
    ...fields
  } = event as OctavoEvent & Record<string, unknown>;
  const text = JSON.stringify(fields).slice(1, -1).replaceAll('"', '');
  return text.length > 220 ? `${text.slice(0, 220)} …` : text;
}

export function EventList({ player }: { player: Player }) {
  const text = words.value.replay;
  const at = player.position.value;
  const { events } = player.recording;
  const first = Math.max(0, at - before);
  return (
    <section class="panel" aria-label={text.events}>
      <h2>{text.events}</h2>
      <ScrollBox label={text.eventsAround}>
        <ol class="events" data-foreign>
          {events.slice(first, at + after).map((event, i) => (
            <li key={event.id} class={first + i === at - 1 ? 'current' : first + i >= at ? 'ahead' : ''}>
              <span class="faint">{count(event.step)}</span> <b>{event.type}</b>{' '}
              <code title={fieldsOf(event)}>{fieldsOf(event)}</code>
            </li>
          ))}
        </ol>
      </ScrollBox>
    </section>
  );
}
