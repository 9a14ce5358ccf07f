// Going through the steps: buttons, slider, and a link to what is shown.

import { signal } from '@preact/signals';
import { frames, isPlaying, shownStep, showStep } from '../state.ts';
import { words } from '../words/index.ts';

const isCopied = signal(false);

async function copyLink(): Promise<void> {
  try {
    await navigator.clipboard.writeText(location.href);
    isCopied.value = true;
    setTimeout(() => {
      isCopied.value = false;
    }, 1500);
  } catch {
    // Without a clipboard the address bar has it.
  }
}

function play(): void {
  if (shownStep.value >= frames.value.length - 1) showStep(0);
  isPlaying.value = !isPlaying.value;
}

export function Steps() {
  const step = shownStep.value;
  const last = Math.max(0, frames.value.length - 1);
  const { first, back, forward, play: playText, pause, stepSlider, link, copied } = words.value;
  return (
    <div class="steps">
      <button type="button" aria-label={first} title={first} disabled={step === 0} onClick={() => showStep(0)}>
        |◀
      </button>
      <button type="button" aria-label={back} title={back} disabled={step === 0} onClick={() => showStep(step - 1)}>
        ◀
      </button>
      <button
        type="button"
        aria-label={forward}
        title={forward}
        disabled={step === last}
        onClick={() => showStep(step + 1)}
      >
        ▶
      </button>
      <button type="button" class="primary" onClick={play}>
        {isPlaying.value ? pause : playText}
      </button>
      <input
        type="range"
        aria-label={stepSlider}
        min={0}
        max={last}
        value={step}
        onInput={(event) => showStep(Number(event.currentTarget.value))}
      />
      <span class="count">{words.value.step(step, last)}</span>
      <button type="button" onClick={copyLink}>
        {isCopied.value ? copied : link}
      </button>
    </div>
  );
}
