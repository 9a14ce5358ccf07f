// The counters above the block map.

import { frame, tokensPerSecond } from './frames.ts';

function percent(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((part / whole) * 100).toFixed(part === 0 || part === whole ? 0 : 1)} %`;
}

function Counter(props: { name: string; value: string; title: string }) {
  return (
    <div class="counter" title={props.title} data-counter={props.name}>
      <b>{props.value}</b>
      <span>{props.name}</span>
    </div>
  );
}

export function Counters() {
  const stats = frame.value?.stats;
  const show = (value: string | undefined) => value ?? '–';
  return (
    <div class="counters">
      <Counter name="running" value={show(stats?.runningRequests.toString())} title="Requests in the running batch" />
      <Counter name="waiting" value={show(stats?.waitingRequests.toString())} title="Requests in the queue" />
      <Counter
        name="tokens/s"
        value={stats === undefined ? '–' : tokensPerSecond.value.toFixed(0)}
        title="Generated tokens per second, over one second"
      />
      <Counter
        name="KV used"
        value={show(stats && percent(stats.usedBlocks, stats.totalBlocks))}
        title="Blocks that sequences hold"
      />
      <Counter
        name="cache hits"
        value={show(stats && percent(stats.cachedPromptTokens, stats.promptTokens))}
        title="Prompt tokens found in the prefix cache since start"
      />
      <Counter
        name="preemptions"
        value={show(stats?.preemptions.toString())}
        title="Sequences put back into the queue"
      />
    </div>
  );
}
