// The page table of one sequence: each logical block with the physical one that holds it; shared and copied ones are marked.

import './page-table.css';
import { useSignal } from '@preact/signals';
import { words } from '../i18n/language.ts';
import { leftOf } from '../live/origins.ts';
import { type Moment, useTold } from '../live/source.ts';
import { cssColourOf } from '../parts/sequence-colours.ts';
import { darkMode } from '../shell/theme.ts';
import { shortId } from './describe.ts';

const firstShown = 240;

export type EntryKind = 'own' | 'shared' | 'copied' | 'left';

export interface Entry {
  readonly logical: number;
  readonly block: number;
  readonly kind: EntryKind;
  /** Sequences that have it in their tables. */
  readonly sharers: number;
}

/** The entries of a block table. A block that was copied and is shared since is shared; so are those of `alsoShared`. */
export function entriesOf(
  moment: Moment,
  group: number,
  blocks: readonly number[],
  alsoShared: ReadonlySet<number> = new Set(),
): Entry[] {
  const { references, holds } = moment.view.groups[group];
  return blocks.map((block, logical) => {
    if (block < 0) return { logical, block, kind: 'left', sharers: 0 };
    const sharers = references[block] - holds[block];
    const copied = group === 0 && moment.origins.copies.has(block);
    return {
      logical,
      block,
      kind: sharers > 1 || alsoShared.has(block) ? 'shared' : copied ? 'copied' : 'own',
      sharers,
    };
  });
}

export function PageTableGrid(props: {
  entries: readonly Entry[];
  selected: number | null;
  select: (block: number) => void;
}) {
  const text = words.value.memory;
  const showsAll = useSignal(false);
  const shown = showsAll.value ? props.entries : props.entries.slice(0, firstShown);
  return (
    <>
      <ol class="page-table">
        {shown.map(({ logical, block, kind, sharers }) => (
          <li key={logical}>
            <button
              type="button"
              class={`${kind}${block === props.selected ? ' current' : ''}`}
              disabled={block < 0}
              data-kind={kind}
              data-block={block}
              title={text.entry(logical, block, text.entryKinds[kind], sharers)}
              onClick={() => props.select(block)}
            >
              <span class="logical">{logical}</span>
              <span class="physical">{block < 0 ? '–' : block}</span>
              <span class="visually-hidden">{text.entryKinds[kind]}</span>
            </button>
          </li>
        ))}
      </ol>
      {props.entries.length > shown.length && (
        <button
          type="button"
          class="quiet"
          onClick={() => {
            showsAll.value = true;
          }}
        >
          {text.more(props.entries.length - shown.length)}
        </button>
      )}
      <ul class="legend">
        {(['own', 'shared', 'copied', 'left'] as const).map((kind) => (
          <li key={kind}>
            <i class={`swatch entry ${kind}`} />
            {text.entryKinds[kind]}{' '}
            <b data-entries={kind}>{props.entries.filter((entry) => entry.kind === kind).length}</b>
          </li>
        ))}
      </ul>
    </>
  );
}

/** The table of a sequence, or what is left of it in the pool when it has ended; null if it is not known. */
function tableOf(moment: Moment, group: number, id: number) {
  const sequence = moment.view.sequences.get(id);
  if (sequence !== undefined) return { requestId: sequence.requestId, blocks: sequence.blocks[group], ended: false };
  const last = group === 0 ? moment.origins.lastTables.get(id) : undefined;
  if (last === undefined) return null;
  return { requestId: last.requestId, blocks: leftOf(last, moment.view.groups[0].hashes), ended: true };
}

export function PageTable(props: {
  moment: Moment;
  group: number;
  sequence: number;
  selected: number | null;
  select: (block: number) => void;
}) {
  useTold();
  const { moment, group } = props;
  const text = words.value.memory;
  const table = tableOf(moment, group, props.sequence);
  if (table === null) return null;
  return (
    <section class="panel" aria-label={text.pageTable}>
      <h2>
        {text.pageTable} <i class="swatch" style={{ background: cssColourOf(table.requestId, darkMode.value) }} />{' '}
        <span class="faint">{shortId(table.requestId)}</span>
      </h2>
      <p class="hint">{table.ended ? text.endedHint : text.pageTableHint}</p>
      <PageTableGrid entries={entriesOf(moment, group, table.blocks)} selected={props.selected} select={props.select} />
    </section>
  );
}
