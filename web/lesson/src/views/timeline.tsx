// The steps as a timeline: a row for each sequence, a column for each step, and in it the tokens that it got.

import { useLayoutEffect, useRef } from 'preact/hooks';
import { colourOf } from '../colours.ts';
import { words } from '../words/index.ts';
import type { Frame } from '../world/frame.ts';

/** Steps between two that are numbered. */
const numberedEvery = 5;

export function Timeline({
  frames,
  step,
  choose,
}: {
  frames: readonly Frame[];
  step: number;
  choose: (step: number) => void;
}) {
  const names = frames[frames.length - 1]?.sequences.map(({ name }) => name) ?? [];
  const box = useRef<HTMLElement>(null);
  // Where not all steps fit, the one that is shown stays in sight.
  useLayoutEffect(() => {
    const { current: outer } = box;
    const now = outer?.querySelector<HTMLElement>('.now');
    const head = outer?.querySelector<HTMLElement>('th');
    if (!outer || !now || !head) return;
    const [left, right] = [now.offsetLeft - head.offsetWidth, now.offsetLeft + now.offsetWidth];
    if (left < outer.scrollLeft) outer.scrollLeft = Math.max(0, left - outer.clientWidth / 3);
    else if (right > outer.scrollLeft + outer.clientWidth) outer.scrollLeft = right - (outer.clientWidth * 2) / 3;
  });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and what scrolls must be reachable by keyboard
    <section ref={box} class="timeline" tabIndex={0} aria-label={words.value.timelineHint}>
      <table>
        <tbody>
          <tr class="numbers">
            <th scope="row">{words.value.timelineStep}</th>
            {frames.map((frame) => (
              <td key={frame.step} class={frame.step === step ? 'now' : ''}>
                {frame.step % numberedEvery === 0 || frame.step === step ? frame.step : ''}
              </td>
            ))}
          </tr>
          {names.map((name, row) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {frames.map((frame) => {
                const sequence = frame.sequences[row];
                const tokens = sequence?.scheduledTokens ?? 0;
                const waits = sequence?.status === 'waiting' || sequence?.status === 'preempted';
                return (
                  <td
                    key={frame.step}
                    class={`${waits ? 'waits' : ''} ${frame.step === step ? 'now' : ''}`}
                    style={tokens > 0 ? { background: colourOf(name) } : {}}
                    onClick={() => choose(frame.step)}
                    onKeyDown={undefined}
                  >
                    {tokens > 0 ? tokens : ''}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
