// The timeline with everything around it, for the live run and for a recording.

import './scheduler.css';
import { useSignal } from '@preact/signals';
import { waitCauses } from '../../../src/events/types.ts';
import { count } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { useMoment, useTold } from '../live/source.ts';
import { css } from '../parts/palette.ts';
import { route, setParams } from '../shell/route.ts';
import { darkMode } from '../shell/theme.ts';
import { alarmColour, waitColour } from './draw.ts';
import { Explanation } from './explanation.tsx';
import { StepDetails } from './step-details.tsx';
import type { StepLog } from './step-log.ts';
import { Timeline } from './timeline.tsx';
import { stepSizes } from './window.ts';

function TimelineLegend() {
  const text = words.value.scheduler;
  const dark = darkMode.value;
  return (
    <ul class="legend">
      <li>
        <i class="mark chunk" /> {text.legend.chunk}
      </li>
      <li>
        <i class="mark token" /> {text.legend.token}
      </li>
      <li>
        <i class="mark preempted" style={{ borderTopColor: css(alarmColour(dark)) }} /> {text.legend.preempted}
      </li>
      <li>
        <i class="mark end" /> {text.legend.end}
      </li>
      {waitCauses.map((cause) => (
        <li key={cause}>
          <i class="mark wait" style={{ background: css(waitColour(cause, dark)) }} /> {words.value.waits[cause]}
        </li>
      ))}
    </ul>
  );
}

/** Preemptions that are still in the log, newest first. */
function Preemptions(props: {
  log: StepLog;
  /** The last step that counts. */
  until: number;
  selectedStep: number | null;
  select: (step: number, lane: number) => void;
}) {
  const { log, until, selectedStep, select } = props;
  useTold();
  const text = words.value.scheduler;
  const steps = log.entries.filter(({ step, preempted }) => preempted.length > 0 && step <= until);
  const total = steps.reduce((sum, { preempted }) => sum + preempted.length, 0);
  const name = (id: number) => log.lanes.get(id)?.requestId ?? String(id);
  return (
    <section class="panel" aria-label={text.preemptions}>
      <h2>
        {text.preemptions}{' '}
        <span class="faint" data-preemptions={total}>
          {count(total)}
        </span>
      </h2>
      {total === 0 ? (
        <p class="hint">{text.noPreemptions}</p>
      ) : (
        <ul class="preemptions">
          {steps
            .slice(-12)
            .reverse()
            .flatMap(({ step, preempted }) =>
              preempted.map(({ sequence, by, reason }) => (
                <li key={`${step}:${sequence}`}>
                  <button
                    type="button"
                    class="quiet"
                    aria-current={step === selectedStep ? 'true' : undefined}
                    onClick={() => select(step, sequence)}
                  >
                    {text.preemption(count(step), name(sequence), name(by), text.preemptionReasons[reason])}
                  </button>
                </li>
              )),
            )}
        </ul>
      )}
    </section>
  );
}

export interface SchedulerPanelsProps {
  /** Whether the server can be asked about a request. */
  readonly explains: boolean;
  /** The step to show last, where something else moves it. */
  readonly until?: number;
}

export function SchedulerPanels({ explains, until }: SchedulerPanelsProps) {
  const moment = useMoment();
  const text = words.value.scheduler;
  const zoom = useSignal(3);
  /** Where the timeline was stopped; null follows. */
  const lastStep = useSignal<number | null>(null);
  if (moment === null) return <p class="notice">{words.value.shell.waitingForEvents}</p>;
  const { steps } = moment;
  const stepParam = Number(route.value.params.step ?? 'NaN');
  const selectedStep = Number.isInteger(stepParam) ? stepParam : null;
  const request = route.value.params.request ?? null;
  const lane = [...steps.lanes.values()].findLast(({ requestId }) => requestId === request)?.id ?? null;
  const entry = selectedStep === null ? null : (steps.entries.findLast(({ step }) => step === selectedStep) ?? null);
  const newest = steps.entries.at(-1)?.step ?? 0;
  const select = (step: number | null, id: number | null) => {
    const requestId = id === null ? null : (steps.lanes.get(id)?.requestId ?? null);
    setParams({ step: step === null ? null : String(step), request: requestId });
  };
  const show = (step: number, id: number) => {
    lastStep.value = Math.min(newest, step + 10);
    select(step, id);
  };
  return (
    <div class="scheduler">
      <section class="panel" aria-label={text.title}>
        <div class="toolbar">
          {until === undefined && (
            <button
              type="button"
              aria-pressed={lastStep.value === null}
              onClick={() => {
                lastStep.value = lastStep.value === null ? newest : null;
              }}
            >
              {lastStep.value === null ? text.hold : text.follow}
            </button>
          )}
          <label>
            {text.zoom}
            <input
              type="range"
              min="0"
              max={stepSizes.length - 1}
              value={zoom.value}
              onInput={(event) => {
                zoom.value = Number(event.currentTarget.value);
              }}
            />
          </label>
          {until === undefined && lastStep.value !== null && (
            <label class="grow">
              {text.until}
              <input
                class="grow"
                type="range"
                min={steps.entries[0]?.step ?? 0}
                max={newest}
                value={lastStep.value}
                onInput={(event) => {
                  lastStep.value = Number(event.currentTarget.value);
                }}
              />
            </label>
          )}
          <span class="grow" />
          <span class="faint">{text.lastStep(count(until ?? newest))}</span>
        </div>
        <p class="caption">{text.tokensPerStep}</p>
        <Timeline
          stepPx={stepSizes[zoom.value]}
          lastStep={until ?? lastStep.value}
          selectedStep={selectedStep}
          selectedLane={lane}
          select={select}
        />
        <TimelineLegend />
        <p id="timeline-keys" class="hint">
          {text.keys}
        </p>
      </section>
      <div class="columns">
        <StepDetails entry={entry} log={steps} />
        <div class="side">
          <Preemptions log={steps} until={until ?? newest} selectedStep={selectedStep} select={show} />
          {explains && <Explanation requestId={request} />}
        </div>
      </div>
    </div>
  );
}
