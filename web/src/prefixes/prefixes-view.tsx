// Prefixes: the tree of what the cache holds, hottest first, with what was evicted lately.

import './prefixes.css';
import { useSignal } from '@preact/signals';
import { count, milliseconds } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { type Moment, useMoment, useTold } from '../live/source.ts';
import { css, neutral, scale } from '../parts/palette.ts';
import { formatRoute } from '../shell/route.ts';
import { darkMode } from '../shell/theme.ts';
import { Evictions } from './evictions.tsx';
import { type Chain, type PrefixBlock, prefixTree, type TreeRow, treeRows } from './tree.ts';

const rowLimit = 300;
/** More would not fit beside the words at 1280 pixels. */
const shownCells = 48;
const cellPx = 6;
const ageLimitsMs = [1000, 10_000, 60_000, 600_000];

/** 1 for what was used just now, towards 0 with age. */
function heat(ageMs: number): number {
  const index = ageLimitsMs.findIndex((limit) => ageMs <= limit);
  return index < 0 ? 0.05 : 1 - index * 0.24;
}

function Cells({ blocks, nowMs }: { blocks: readonly PrefixBlock[]; nowMs: number }) {
  const dark = darkMode.value;
  const shown = blocks.slice(0, shownCells);
  return (
    <svg class="cells" width={shown.length * cellPx} height={12} aria-hidden="true">
      {shown.map(({ hash, fate, timeMs, references }, i) =>
        fate === null ? (
          <rect
            key={hash}
            x={i * cellPx}
            y={references > 0 ? 0 : 1}
            width={cellPx - 1}
            height={references > 0 ? 12 : 10}
            fill={css(scale(heat(nowMs - timeMs), dark))}
            stroke={references > 0 ? css(neutral('outline', dark)) : 'none'}
            stroke-width={references > 0 ? 1 : 0}
          />
        ) : (
          <rect
            key={hash}
            x={i * cellPx + 0.5}
            y={1.5}
            width={cellPx - 2}
            height={9}
            fill="none"
            stroke={css(neutral('cached', dark))}
            stroke-dasharray="2 1.5"
          />
        ),
      )}
    </svg>
  );
}

function describe(chain: Chain, blockSize: number): string {
  const text = words.value.prefixes;
  const { index } = chain.blocks[0];
  const last = index + chain.blocks.length - 1;
  return text.chain(index, last, chain.blocks.length * blockSize);
}

function Row(props: {
  row: TreeRow;
  moment: Moment;
  nowMs: number;
  isClosed: boolean;
  isCurrent: boolean;
  /** Where the Tab key stops. */
  isStop: boolean;
  onToggle: () => void;
  onSelect: () => void;
  onKeyDown: (event: KeyboardEvent) => void;
}) {
  const { chain, level } = props.row;
  const text = words.value.prefixes;
  const evicted = chain.blocks[0].fate !== null;
  const canOpen = chain.children.length > 0;
  return (
    <div
      role="treeitem"
      tabIndex={props.isStop ? 0 : -1}
      id={`chain-${chain.key}`}
      aria-level={level}
      aria-selected={props.isCurrent}
      aria-expanded={canOpen ? !props.isClosed : undefined}
      class={`row ${evicted ? 'evicted' : ''}${props.isCurrent ? ' current' : ''}`}
      style={{ paddingLeft: `${(level - 1) * 14}px` }}
      onClick={() => {
        props.onSelect();
        if (canOpen) props.onToggle();
      }}
      onKeyDown={props.onKeyDown}
    >
      <span class="twist" aria-hidden="true">
        {canOpen ? (props.isClosed ? '+' : '−') : ''}
      </span>
      <span class="what">{describe(chain, props.moment.view.groups[0].blockSize)}</span>
      <span class="faint use">
        {evicted
          ? text.evictedAgo(
              milliseconds(Math.max(0, props.nowMs - chain.usedMs)),
              text.fates[chain.blocks[0].fate ?? 'dropped'],
            )
          : text.use(chain.hits, chain.references, milliseconds(Math.max(0, props.nowMs - chain.usedMs)))}
      </span>
      <Cells blocks={chain.blocks} nowMs={props.nowMs} />
      {chain.blocks.length > shownCells && <span class="faint">+{count(chain.blocks.length - shownCells)}</span>}
    </div>
  );
}

function Tree({ moment }: { moment: Moment }) {
  useTold();
  const text = words.value.prefixes;
  const closed = useSignal<ReadonlySet<string>>(new Set());
  const current = useSignal<string | null>(null);
  const tree = prefixTree(moment.view.groups[0], moment.origins.hits);
  const rows = treeRows(tree, closed.value, rowLimit);
  const nowMs = moment.nowMs();
  const at = Math.max(
    0,
    rows.findIndex(({ chain }) => chain.key === current.value),
  );
  const toggle = (key: string, close = !closed.value.has(key)) => {
    const next = new Set(closed.value);
    if (close) next.add(key);
    else next.delete(key);
    closed.value = next;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const row = rows[at];
    if (row === undefined) return;
    const target: Readonly<Record<string, number>> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: rows.length - 1,
    };
    if (event.key in target) {
      const next = rows[Math.max(0, Math.min(rows.length - 1, current.value === null ? 0 : target[event.key]))];
      current.value = next.chain.key;
      document.getElementById(`chain-${next.chain.key}`)?.focus();
    } else if (event.key === 'ArrowRight') toggle(row.chain.key, false);
    else if (event.key === 'ArrowLeft') toggle(row.chain.key, true);
    else return;
    event.preventDefault();
  };
  if (rows.length === 0) return <p class="hint">{text.empty}</p>;
  const chosen = rows.find(({ chain }) => chain.key === current.value)?.chain ?? null;
  return (
    <>
      <p class="faint">{text.totals(count(tree.cachedBlocks), count(tree.evictedBlocks), count(tree.roots.length))}</p>
      <div class="tree" role="tree" aria-label={text.tree}>
        {rows.map((row) => (
          <Row
            key={row.chain.key}
            row={row}
            moment={moment}
            nowMs={nowMs}
            isClosed={closed.value.has(row.chain.key)}
            isCurrent={row.chain.key === current.value}
            isStop={row === rows[at]}
            onKeyDown={onKeyDown}
            onToggle={() => toggle(row.chain.key)}
            onSelect={() => {
              current.value = row.chain.key;
            }}
          />
        ))}
      </div>
      {chosen !== null && chosen.blocks[0].fate === null && (
        <p class="chosen">
          {text.blocks}{' '}
          {chosen.blocks.slice(0, 64).map(({ block }) => (
            <a key={block} href={formatRoute('memory', { block: String(block) })}>
              {block}
            </a>
          ))}
        </p>
      )}
    </>
  );
}

function HeatLegend() {
  const text = words.value.prefixes;
  const dark = darkMode.value;
  return (
    <ul class="legend">
      {[...ageLimitsMs, Number.POSITIVE_INFINITY].map((limit, index) => (
        <li key={limit}>
          <i class="swatch" style={{ background: css(scale(heat(limit), dark)) }} />
          {text.ages[index]}
        </li>
      ))}
      <li>
        <i class="swatch in-use" /> {text.inUse}
      </li>
      <li>
        <i class="swatch evicted" /> {text.evicted}
      </li>
    </ul>
  );
}

export function PrefixesView() {
  const moment = useMoment();
  const text = words.value.prefixes;
  if (moment === null) return <p class="notice">{words.value.shell.waitingForEvents}</p>;
  return (
    <div class="prefixes">
      <section class="panel" aria-label={text.tree}>
        <h2>{text.tree}</h2>
        <p class="hint">{text.hint}</p>
        <HeatLegend />
        <Tree moment={moment} />
      </section>
      <Evictions moment={moment} />
    </div>
  );
}
