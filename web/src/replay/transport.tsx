// The controls of the player.

import { count, milliseconds } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { DropDown } from '../parts/drop-down.tsx';
import type { Player } from './player.ts';

const speeds: readonly number[] = [0.05, 0.25, 1, 4, 16];

export function Transport({ player }: { player: Player }) {
  const text = words.value.replay;
  const { position, playing, speed, timeMs, recording } = player;
  const total = recording.events.length;
  const atStart = position.value === 0;
  const atEnd = position.value >= total;
  const step = recording.events[Math.max(0, position.value - 1)]?.step ?? 0;
  const button = (name: string, label: string, disabled: boolean, onClick: () => void) => (
    <button type="button" data-control={name} disabled={disabled} onClick={onClick}>
      {label}
    </button>
  );
  return (
    <section class="panel transport" aria-label={text.controls}>
      <div class="toolbar">
        {button('start', text.toStart, atStart, () => player.seek(0))}
        {button('step-back', text.stepBack, atStart, () => player.stepBy(-1))}
        {button('event-back', text.eventBack, atStart, () => player.seek(position.value - 1))}
        <button
          type="button"
          class="primary"
          data-control="play"
          onClick={() => (playing.value ? player.pause() : player.play())}
        >
          {playing.value ? text.pause : text.play}
        </button>
        {button('event-forward', text.eventForward, atEnd, () => player.seek(position.value + 1))}
        {button('step-forward', text.stepForward, atEnd, () => player.stepBy(1))}
        {button('end', text.toEnd, atEnd, () => player.seek(total))}
        <DropDown
          label={text.speed}
          values={speeds}
          nameOf={text.times}
          current={speed.value}
          choose={(times) => {
            speed.value = times;
          }}
        />
        <span class="grow" />
        <span class="faint" data-position={position.value}>
          {text.at(count(step), count(position.value), count(total), milliseconds(timeMs.value))}
        </span>
      </div>
      <input
        type="range"
        class="scrub"
        aria-label={text.scrub}
        min={0}
        max={total}
        value={position.value}
        onInput={(event) => player.seek(Number(event.currentTarget.value))}
      />
    </section>
  );
}
