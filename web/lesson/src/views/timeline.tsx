// The steps as a timeline: a row for each sequence, a column for each step, and in it the tokens that it got.

import { colourOf } from '../colours.ts';
import { words } from '../words/index.ts';
import type { Frame } from '../world/frame.ts';

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
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and what scrolls must be reachable by keyboard
    <section class="timeline" tabIndex={0} aria-label={words.value.timelineHint}>
      <table>
        <tbody>
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
