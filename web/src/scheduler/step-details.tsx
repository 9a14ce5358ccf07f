// One step in numbers: who got how many tokens, who waited and what for, who was preempted.

import { count, milliseconds } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { useTold } from '../live/source.ts';
import { shortId } from '../memory/describe.ts';
import { cssColourOf } from '../parts/sequence-colours.ts';
import { darkMode } from '../shell/theme.ts';
import type { StepEntry, StepLog } from './step-log.ts';

function Name({ log, id }: { log: StepLog; id: number }) {
  const requestId = log.lanes.get(id)?.requestId ?? String(id);
  return (
    <span class="name" title={requestId}>
      <i class="swatch" style={{ background: cssColourOf(requestId, darkMode.value) }} /> {shortId(requestId)}
    </span>
  );
}

function Shares({ entry, log }: { entry: StepEntry; log: StepLog }) {
  const text = words.value.scheduler;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{text.columns.request}</th>
          <th scope="col">{text.columns.kind}</th>
          <th scope="col" class="number">
            {text.columns.tokens}
          </th>
          <th scope="col" class="number">
            {text.columns.positions}
          </th>
        </tr>
      </thead>
      <tbody>
        {[...entry.shares].map(([id, { position, tokens }]) => (
          <tr key={id}>
            <td>
              <Name log={log} id={id} />
            </td>
            <td>{tokens > 1 ? text.chunk : text.oneToken}</td>
            <td class="number">{count(tokens)}</td>
            <td class="number">{tokens > 1 ? `${position}–${position + tokens - 1}` : position}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function StepDetails({ entry, log }: { entry: StepEntry | null; log: StepLog }) {
  useTold();
  const text = words.value.scheduler;
  if (entry === null) {
    return (
      <section class="panel" aria-label={text.selectedStep}>
        <h2>{text.selectedStep}</h2>
        <p class="hint">{text.selectHint}</p>
      </section>
    );
  }
  return (
    <section class="panel step-details" aria-label={text.selectedStep} aria-live="polite" data-step={entry.step}>
      <h2>{text.step(count(entry.step))}</h2>
      <dl class="facts">
        <dt>{text.facts.took}</dt>
        <dd>{entry.aborted ? text.aborted : entry.tookMs === null ? '–' : milliseconds(entry.tookMs)}</dd>
        <dt>{text.facts.tokens}</dt>
        <dd>{text.ofBudget(count(entry.tokenCount), count(entry.tokenBudget))}</dd>
        <dt>{text.facts.running}</dt>
        <dd>{count(entry.running)}</dd>
        <dt>{text.facts.waiting}</dt>
        <dd>{count(entry.waiting)}</dd>
      </dl>
      <ul class="happened">
        {entry.admitted.map(({ sequence, cachedTokens, resumed }) => (
          <li key={`admitted-${sequence}`}>
            <Name log={log} id={sequence} /> {resumed ? text.resumed(cachedTokens) : text.admitted(cachedTokens)}
          </li>
        ))}
        {entry.preempted.map(({ sequence, by, exclusiveBlocks }) => (
          <li key={`preempted-${sequence}`} class="error" data-preempted={sequence}>
            <Name log={log} id={sequence} /> {text.preemptedBy} <Name log={log} id={by} /> ·{' '}
            {text.gaveUp(exclusiveBlocks)}
          </li>
        ))}
        {entry.ended.map((event) => (
          <li key={`ended-${event.sequence}`}>
            <Name log={log} id={event.sequence} />{' '}
            {event.type === 'finished' ? text.ended[event.reason] : text.ended.cancelled}
          </li>
        ))}
      </ul>
      <div class="scroll shares">
        <Shares entry={entry} log={log} />
      </div>
      {entry.waiters.size > 0 && (
        <ul class="waiters">
          {[...entry.waiters].slice(0, 20).map(([id, cause]) => (
            <li key={id}>
              <Name log={log} id={id} /> <span class="faint">{words.value.waits[cause]}</span>
            </li>
          ))}
          {entry.waiting > 20 && <li class="faint">+ {entry.waiting - 20}</li>}
        </ul>
      )}
    </section>
  );
}
