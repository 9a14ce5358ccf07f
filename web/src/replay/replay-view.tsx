// Replay: a recording step by step, forwards and back, in the views of memory and scheduler.

import './replay.css';
import { signal } from '@preact/signals';
import { count, dateTime, milliseconds } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { SourceProvider } from '../live/source.ts';
import { MemoryPanels } from '../memory/memory-panels.tsx';
import { Choice } from '../parts/choice.tsx';
import { SchedulerPanels } from '../scheduler/scheduler-panels.tsx';
import { route, setParams } from '../shell/route.ts';
import { EventList } from './event-list.tsx';
import { createPlayer, type Player } from './player.ts';
import { loadRecording, type Recording } from './recording-store.ts';
import { Transport } from './transport.tsx';

// Kept when another tab is shown.
const player = signal<Player | null>(null);
const recording = signal<Recording | null>(null);
const problem = signal('');
const loading = signal('');

async function open(file: File): Promise<void> {
  loading.value = file.name;
  problem.value = '';
  try {
    const loaded = await loadRecording(file.name, file.stream());
    player.value?.pause();
    recording.value = loaded;
    player.value = loaded.events.length === 0 ? null : createPlayer(loaded);
  } catch (error) {
    problem.value = error instanceof Error ? error.message : String(error);
  } finally {
    loading.value = '';
  }
}

function Chooser() {
  const text = words.value.replay;
  return (
    <section
      class="panel chooser"
      aria-label={text.open}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        const file = event.dataTransfer?.files[0];
        if (file !== undefined) void open(file);
      }}
    >
      <label>
        {text.open}{' '}
        <input
          type="file"
          accept=".jsonl,.ndjson,.json,application/jsonl"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            if (file !== undefined) void open(file);
          }}
        />
      </label>
      <p class="hint">{text.hint}</p>
      <p role="status">
        {loading.value !== '' && text.loading(loading.value)}
        {problem.value !== '' && <span class="error">{problem.value}</span>}
      </p>
    </section>
  );
}

function About({ shown }: { shown: Recording }) {
  const text = words.value.replay;
  const { header, events, requests, endsAsRun, end } = shown;
  const lengthMs =
    events.length === 0
      ? (end?.finishedMs ?? header.startedMs) - header.startedMs
      : events[events.length - 1].timeMs - events[0].timeMs;
  const facts: readonly (readonly [name: string, label: string, value: string])[] = [
    ['model', text.facts.model, header.model],
    ['began', text.facts.began, dateTime(header.startedAtMs)],
    ['length', text.facts.length, milliseconds(lengthMs)],
    ['pool', text.facts.pool, text.poolOf(count(header.blockCount), header.blockSize)],
    ['events', text.facts.events, count(events.length)],
    ['requests', text.facts.requests, count(requests.length)],
    ['end', text.facts.end, endsAsRun === null ? text.endUnknown : endsAsRun ? text.endSame : text.endDiffers],
  ];
  return (
    <section class="panel" aria-label={text.about}>
      <dl class="about">
        {facts.map(([name, label, value]) => (
          <div key={name}>
            <dt>{label}</dt>
            <dd data-recording={name} class={name === 'end' && endsAsRun === false ? 'error' : ''}>
              {value}
            </dd>
          </div>
        ))}
      </dl>
      {events.length === 0 && <p class="hint">{text.noEvents}</p>}
    </section>
  );
}

function Moment({ current }: { current: Player }) {
  const text = words.value.replay;
  const pane = route.value.params.pane === 'scheduler' ? 'scheduler' : 'memory';
  const step = current.recording.events[Math.max(0, current.position.value - 1)]?.step ?? 0;
  return (
    <SourceProvider value={current.source}>
      <Transport player={current} />
      <div class="toolbar">
        <Choice
          label={text.pane}
          values={['memory', 'scheduler'] as const}
          names={{ memory: words.value.views.memory, scheduler: words.value.views.scheduler }}
          current={pane}
          choose={(value) => setParams({ pane: value === 'memory' ? null : value })}
        />
      </div>
      {pane === 'memory' ? <MemoryPanels heightPx={460} /> : <SchedulerPanels explains={false} until={step} />}
      <EventList player={current} />
    </SourceProvider>
  );
}

export function ReplayView() {
  return (
    <div class="replay">
      <Chooser />
      {recording.value !== null && <About shown={recording.value} />}
      {player.value !== null && <Moment current={player.value} />}
    </div>
  );
}
