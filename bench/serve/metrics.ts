// What the server's /metrics say of a run: the counters' growth and the gauges after it.

/** Samples by name with labels other than the model's, such as `octavo_memory_planned_bytes{part="kv"}`. */
export type Samples = ReadonlyMap<string, number>;

export function parseMetrics(text: string): Samples {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^(octavo_[a-z0-9_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match === null) continue;
    const labels = (match[2] ?? '').split(',').filter((label) => label !== '' && !label.startsWith('model_name='));
    samples.set(labels.length === 0 ? match[1] : `${match[1]}{${labels.join(',')}}`, Number(match[3]));
  }
  return samples;
}

/** What is not exposed is null. */
export interface ServerReport {
  readonly promptTokens: number | null;
  /** Tokens run through the model, less one for each generated token but each request's first: the prompts'. */
  readonly promptTokensComputed: number | null;
  readonly prefixHitTokens: number | null;
  readonly preemptions: number | null;
  readonly steps: number | null;
  /** Share of the time between the starts of consecutive steps that is not kernels. */
  readonly outsideKernelsShare: number | null;
  readonly eventLoopDelayP99Ms: number | null;
  readonly weightBytes: number | null;
  readonly kvBytes: number | null;
}

export function reportOf(before: Samples, after: Samples, requestCount: number): ServerReport {
  const growth = (name: string): number | null => {
    const end = after.get(name);
    return end === undefined ? null : end - (before.get(name) ?? 0);
  };
  const gauge = (name: string): number | null => after.get(name) ?? null;
  const computed = growth('octavo_computed_tokens_total');
  const generated = growth('octavo_generation_tokens_total');
  const stepSeconds = growth('octavo_step_followed_seconds_total');
  const kernelSeconds = growth('octavo_step_followed_kernel_seconds_total');
  const delaySeconds = gauge('octavo_event_loop_delay_seconds{quantile="0.99"}');
  return {
    promptTokens: growth('octavo_prompt_tokens_total'),
    promptTokensComputed: computed === null || generated === null ? null : computed - (generated - requestCount),
    prefixHitTokens: growth('octavo_prefix_cache_hits_total'),
    preemptions: growth('octavo_num_preemptions_total'),
    steps: growth('octavo_step_total'),
    outsideKernelsShare: stepSeconds === null || kernelSeconds === null ? null : 1 - kernelSeconds / stepSeconds,
    eventLoopDelayP99Ms: delaySeconds === null ? null : delaySeconds * 1000,
    weightBytes: gauge('octavo_memory_planned_bytes{part="weights"}'),
    kvBytes: gauge('octavo_memory_planned_bytes{part="kv"}'),
  };
}
