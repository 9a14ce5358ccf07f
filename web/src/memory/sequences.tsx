// The sequences: what each computes and holds, and which of it is shared.

import type { SequenceView } from '../../../src/events/memory-view.ts';
import { count } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { type Moment, useTold } from '../live/source.ts';
import { ScrollBox } from '../parts/scroll-box.tsx';
import { cssColourOf } from '../parts/sequence-colours.ts';
import { darkMode } from '../shell/theme.ts';
import { shortId } from './describe.ts';

const shownCount = 100;
const order = { running: 0, ending: 1, waiting: 2 } as const;

function sorted(moment: Moment): SequenceView[] {
  return [...moment.view.sequences.values()].sort((a, b) => order[a.state] - order[b.state] || a.id - b.id);
}

function Row(props: {
  sequence: SequenceView;
  moment: Moment;
  group: number;
  selected: boolean;
  select: (id: number | null) => void;
}) {
  const { sequence, moment, group, selected } = props;
  useTold();
  const text = words.value.memory;
  const { references, holds } = moment.view.groups[group];
  const blocks = sequence.blocks[group].filter((block) => block >= 0);
  const shared = blocks.filter((block) => references[block] - holds[block] > 1).length;
  return (
    <tr class={selected ? 'current' : ''}>
      <td>
        <i class="swatch" style={{ background: cssColourOf(sequence.requestId, darkMode.value) }} />{' '}
        <button
          type="button"
          class="quiet name"
          title={sequence.requestId}
          aria-pressed={selected}
          data-request={sequence.requestId}
          onClick={() => props.select(selected ? null : sequence.id)}
        >
          {shortId(sequence.requestId)}
        </button>
      </td>
      <td>
        {sequence.waitCause === null ? text.sequenceStates[sequence.state] : words.value.waits[sequence.waitCause]}
      </td>
      <td class="number">
        {count(sequence.computedTokens)}/{count(sequence.totalTokens)}
      </td>
      <td class="number">{count(blocks.length)}</td>
      <td class="number">{count(shared)}</td>
    </tr>
  );
}

export function Sequences(props: {
  moment: Moment;
  group: number;
  selected: number | null;
  select: (id: number | null) => void;
}) {
  useTold();
  const text = words.value.memory;
  const all = sorted(props.moment);
  return (
    <section class="panel" aria-label={text.sequences}>
      <h2>
        {text.sequences} <span class="faint">{count(all.length)}</span>
      </h2>
      {all.length === 0 ? (
        <p class="hint">{text.noSequences}</p>
      ) : (
        <ScrollBox class="sequences" label={text.sequenceTable}>
          <table>
            <thead>
              <tr>
                <th scope="col">{text.columns.request}</th>
                <th scope="col">{text.columns.state}</th>
                <th scope="col" class="number">
                  {text.columns.tokens}
                </th>
                <th scope="col" class="number">
                  {text.columns.blocks}
                </th>
                <th scope="col" class="number">
                  {text.columns.shared}
                </th>
              </tr>
            </thead>
            <tbody>
              {all.slice(0, shownCount).map((sequence) => (
                <Row
                  key={sequence.id}
                  sequence={sequence}
                  moment={props.moment}
                  group={props.group}
                  selected={sequence.id === props.selected}
                  select={props.select}
                />
              ))}
            </tbody>
          </table>
          {all.length > shownCount && <p class="hint">{text.more(all.length - shownCount)}</p>}
        </ScrollBox>
      )}
    </section>
  );
}
