// The block map with everything around it, for the live state and for a moment of a recording.

import './memory.css';
import { useSignal } from '@preact/signals';
import { count, percentOf } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { type Moment, useMoment, useTold } from '../live/source.ts';
import { Choice } from '../parts/choice.tsx';
import { DropDown } from '../parts/drop-down.tsx';
import { route, setParams } from '../shell/route.ts';
import { BlockDetails } from './block-details.tsx';
import { BlockMap } from './block-map.tsx';
import { type Colouring, colouringSpec, colourings } from './colouring.ts';
import { Legend } from './legend.tsx';
import { PageTable } from './page-table.tsx';
import { Sequences } from './sequences.tsx';
import { summarise } from './summary.ts';

function numberParam(name: string): number | null {
  const value = route.value.params[name];
  return value !== undefined && /^-?\d+$/.test(value) ? Number(value) : null;
}

function Summary({ moment, group }: { moment: Moment; group: number }) {
  useTold();
  const text = words.value.memory;
  const { total, held, cached, free, shared, slotUse } = summarise(moment.view, group);
  const figures: readonly (readonly [name: string, value: string, label: string])[] = [
    ['total', count(total), text.summary.total(moment.view.groups[group].blockSize)],
    ['held', count(held), `${text.summary.held} · ${percentOf(held, total)}`],
    ['shared', count(shared), text.summary.shared],
    ['cached', count(cached), text.summary.cached],
    ['free', count(free), text.summary.free],
    ['slots', slotUse === null ? '–' : percentOf(slotUse, 1), text.summary.slots],
  ];
  return (
    <dl class="summary">
      {figures.map(([name, value, label]) => (
        <div key={name}>
          <dt>{label}</dt>
          <dd data-summary={name}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function MemoryPanels({ heightPx }: { heightPx: number }) {
  const moment = useMoment();
  const text = words.value.memory;
  const counts = useSignal<readonly number[]>([]);
  const by = colourings.find((name) => name === route.value.params.by) ?? 'sequence';
  const selected = numberParam('block');
  const sequence = numberParam('sequence');
  if (moment === null) return <p class="notice">{words.value.shell.waitingForEvents}</p>;
  const groupCount = moment.view.groups.length;
  const group = Math.min(groupCount - 1, Math.max(0, numberParam('group') ?? 0));
  const known = sequence !== null && moment.view.sequences.has(sequence);
  return (
    <div class="memory">
      <section class="panel map-panel" aria-label={text.mapPanel}>
        <div class="toolbar">
          <Choice<Colouring>
            label={text.colourBy}
            values={colourings}
            names={text.colourings}
            current={by}
            choose={(value) => setParams({ by: value === 'sequence' ? null : value })}
          />
          {groupCount > 1 && (
            <DropDown
              label={text.group}
              values={moment.view.groups.map((_, index) => index)}
              nameOf={String}
              current={group}
              choose={(index) => setParams({ group: String(index) })}
            />
          )}
          <span class="grow" />
          <span class="faint">{text.step(count(moment.view.step))}</span>
        </div>
        <Summary moment={moment} group={group} />
        <BlockMap
          by={by}
          group={group}
          heightPx={heightPx}
          selected={selected}
          select={(block) => setParams({ block: block === null ? null : String(block) })}
          sequences={known && sequence !== null ? [sequence] : null}
          onCounts={(now) => {
            counts.value = now;
          }}
        />
        <Legend by={by} spec={colouringSpec(by)} counts={counts.value} />
        <p id="map-keys" class="hint">
          {text.keys}
        </p>
      </section>
      <div class="side">
        <BlockDetails moment={moment} group={group} block={selected} />
        <Sequences
          moment={moment}
          group={group}
          selected={sequence}
          select={(id) => setParams({ sequence: id === null ? null : String(id) })}
        />
        {sequence !== null && (
          <PageTable
            moment={moment}
            group={group}
            sequence={sequence}
            selected={selected}
            select={(block) => setParams({ block: String(block) })}
          />
        )}
      </div>
    </div>
  );
}
