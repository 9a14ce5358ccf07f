// Everything that is known of the selected block.

import { count, milliseconds } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { type Moment, useTold } from '../live/source.ts';
import { cssColourOf } from '../parts/sequence-colours.ts';
import { setParams } from '../shell/route.ts';
import { darkMode } from '../shell/theme.ts';
import { tierOf } from './colouring.ts';
import { shortId, stateOf } from './describe.ts';

function Owners({ moment, group, block }: { moment: Moment; group: number; block: number }) {
  useTold();
  const owners = moment.view.owners(group, block);
  if (owners.length === 0) return <>–</>;
  return (
    <ul class="owners">
      {owners.slice(0, 24).map((id) => {
        const requestId = moment.view.sequences.get(id)?.requestId ?? String(id);
        return (
          <li key={id}>
            <i class="swatch" style={{ background: cssColourOf(requestId, darkMode.value) }} />
            <button type="button" class="quiet" title={requestId} onClick={() => setParams({ sequence: String(id) })}>
              {shortId(requestId)}
            </button>
          </li>
        );
      })}
      {owners.length > 24 && <li>+ {owners.length - 24}</li>}
    </ul>
  );
}

export function BlockDetails({ moment, group, block }: { moment: Moment; group: number; block: number | null }) {
  const text = words.value.memory;
  const state = moment.view.groups[group];
  const known = block !== null && block >= 0 && block < state.blockCount;
  return (
    <section class="panel" aria-live="polite" aria-label={text.selectedBlock}>
      <h2>{known ? `${text.block} ${count(block)}` : text.selectedBlock}</h2>
      {known ? <Facts moment={moment} group={group} block={block} /> : <p class="hint">{text.selectHint}</p>}
    </section>
  );
}

function Facts({ moment, group, block }: { moment: Moment; group: number; block: number }) {
  useTold();
  const text = words.value.memory;
  const state = moment.view.groups[group];
  const copy = group === 0 ? moment.origins.copies.get(block) : undefined;
  const age = state.usedMs[block] === 0 ? null : Math.max(0, moment.nowMs() - state.usedMs[block]);
  const isCached = state.cached[block] === 1;
  const facts: readonly (readonly [name: string, label: string, value: string])[] = [
    ['state', text.facts.state, text.states[stateOf(state, block)]],
    ['references', text.facts.references, text.referencesAndHolds(state.references[block], state.holds[block])],
    ['fill', text.facts.fill, text.fillOf(state.filled[block], state.blockSize)],
    ['age', text.facts.age, age === null ? '–' : text.ago(milliseconds(age))],
    ['hash', text.facts.hash, isCached ? state.hashes[block] : text.notCached],
    ['parent', text.facts.parent, isCached && state.parents[block] !== '' ? state.parents[block] : '–'],
    ['index', text.facts.index, isCached ? String(state.indices[block]) : '–'],
    ['source', text.facts.source, isCached ? text.sources[state.sources[block] as 0 | 1 | 2] : '–'],
    ['tier', text.facts.tier, isCached ? text.tierNames[tierOf(state, block)] : '–'],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, label, value]) => (
        <>
          <dt key={`${name}-label`}>{label}</dt>
          <dd key={name} data-fact={name} class={name === 'hash' || name === 'parent' ? 'mono' : ''}>
            {value}
          </dd>
        </>
      ))}
      {copy !== undefined && (
        <>
          <dt>{text.facts.copied}</dt>
          <dd data-fact="copied">{text.copiedFrom(copy.from, text.copyCauses[copy.cause])}</dd>
        </>
      )}
      <dt>{text.facts.owners}</dt>
      <dd data-fact="owners">
        <Owners moment={moment} group={group} block={block} />
      </dd>
    </dl>
  );
}
