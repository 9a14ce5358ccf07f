// Report: where the time of a request goes, by the engine's own clocks.

import { createEngine } from '../../engine/index.ts';
import { planMemory } from '../../engine/memory-plan.ts';
import { outsideKernelsShare } from '../../engine/step-clock.ts';
import { barChart, decadeAxis, linearAxis } from '../charts/index.ts';
import { formatCount, formatMs, formatShare } from '../format.ts';
import { joinTexts, type Text, text, words } from '../i18n/index.ts';
import { randomRequests, runArrivals, runBatches, type TimedRequest } from '../measure/engine-run.ts';
import { openSubject } from '../plan/index.ts';
import { meanOf, median, quantile } from '../statistics.ts';
import { createRandom, integerBetween } from '../workload/random.ts';
import type { Report } from './report.ts';

interface Part {
  readonly id: string;
  readonly name: Text;
  readonly color: number;
  readonly meanMs: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

const blockSize = 16;
const maxNumSeqs = 8;
/** Arrivals in the time that one request takes alone. */
const arrivalsPerAlone = 4;

/** Prompts of a few documents with questions of their own, so that pages which were evicted are asked for again. */
function documentRequests(count: number, seed: number, vocabSize: number, longest: number) {
  const random = createRandom(seed, 31);
  const token = () => integerBetween(random, 0, vocabSize - 1);
  const documents = Array.from({ length: 12 }, () => Array.from({ length: Math.floor(longest / 2) }, token));
  return randomRequests(count, seed, {
    vocabSize,
    promptTokens: [4, Math.floor(longest / 16)],
    meanTokens: longest / 8,
    longest: Math.floor(longest / 2),
  }).map(({ tokenIds, maxTokens }) => ({
    tokenIds: [...documents[integerBetween(random, 0, documents.length - 1)], ...tokenIds],
    maxTokens,
  }));
}

const spread = (values: readonly number[]) => ({
  meanMs: meanOf(values),
  p50Ms: median(values),
  p99Ms: quantile(values, 0.99),
});

export const latency: Report = {
  name: 'latency',
  title: text('Where the time of a request goes', '请求延迟的构成'),
  summary: text(
    'Requests that arrive at random on the engine, with a pool that does not hold all their prompts and a host tier behind it: how long they queue, wait for pages, prefill and decode, and what a step spends in kernels and on sampling.',
    '请求随机到达引擎，KV 池装不下全部提示，其后有主机内存层：统计排队、等待页换入、预填充与解码的耗时，以及每步在内核与采样上的时间。',
  ),
  async run({ model, bundledModelPath, seed, quick, now, onProgress }) {
    const path = model ?? bundledModelPath;
    const subject = await openSubject(path);
    const { config } = subject;
    const longest = Math.min(config.contextLength, quick ? 128 : 512);
    const { blockBytes } = planMemory({
      config,
      kvDTypes: subject.kvDTypes('auto'),
      blockSize,
      maxNumSeqs: 1,
      maxModelLen: longest,
      kvCacheMemoryBytes: undefined,
      availableBytes: 2 ** 52,
    });
    const blocksEach = Math.ceil(longest / blockSize);
    await using engine = await createEngine({
      model: path,
      maxModelLen: longest,
      blockSize,
      maxNumSeqs,
      // Room for those that run, and for little more than that of the documents.
      kvCacheMemoryBytes: blockBytes * blocksEach * (maxNumSeqs - 2),
      tiers: { hostBytes: blockBytes * blocksEach * 64 },
      now,
    });
    const count = quick ? 10 : 160;
    const requests = documentRequests(count, seed, config.vocabSize, longest);
    // How long one takes alone sets the pace, so that the load is like on any machine.
    await runBatches(engine, requests.slice(0, 2), 'continuous', 2, now);
    const alone = await runBatches(engine, requests.slice(0, quick ? 1 : 6), 'static', 1, now);
    const aloneMs = (alone.seconds * 1000) / (quick ? 1 : 6);
    onProgress(1, 2);
    const random = createRandom(seed, 32);
    const gapMs = aloneMs / arrivalsPerAlone;
    let arrivalMs = 0;
    const before = engine.stats();
    const times = await runArrivals(
      engine,
      requests.map((request) => {
        arrivalMs += -Math.log(1 - random()) * gapMs;
        return { ...request, arrivalMs };
      }),
      now,
    );
    const after = engine.stats();
    onProgress(2, 2);

    const pages = { loads: 0, joinedLoads: 0, loadMs: 0, pagesIn: 0, pagesOut: 0, recomputed: 0 };
    for (const name of Object.keys(pages) as (keyof typeof pages)[]) {
      pages[name] = (after.tiers?.[name] ?? 0) - (before.tiers?.[name] ?? 0);
    }
    const pageMs = pages.loadMs / times.length;
    const of = (pick: (one: TimedRequest) => number) => times.map(pick);
    const queue = spread(of((one) => one.firstScheduledMs! - one.arrivedMs));
    const parts: readonly Part[] = [
      { id: 'queue', name: words.queue, color: 4, ...queue, meanMs: Math.max(0, queue.meanMs - pageMs) },
      {
        id: 'pages',
        name: words.waitingForPages,
        color: 5,
        meanMs: Math.min(pageMs, queue.meanMs),
        p50Ms: null,
        p99Ms: null,
      },
      {
        id: 'prefill',
        name: words.prefill,
        color: 1,
        ...spread(of((one) => one.firstTokenMs! - one.firstScheduledMs!)),
      },
      { id: 'decode', name: words.decode, color: 0, ...spread(of((one) => one.finishedMs - one.firstTokenMs!)) },
      { id: 'streaming', name: words.streaming, color: 3, ...spread(of((one) => one.streamMs)) },
    ];
    const total = spread(of((one) => one.finishedMs - one.arrivedMs));
    const steps = after.steps - before.steps;
    const perStep = (pick: (stats: typeof after) => number) => (pick(after) - pick(before)) / steps;
    const stepMs = perStep((stats) => stats.stepMs);
    const kernelMs = perStep((stats) => stats.kernelMs - stats.pickMs);
    const pickMs = perStep((stats) => stats.pickMs);
    const followed = {
      followedMs: after.followedMs - before.followedMs,
      followedKernelMs: after.followedKernelMs - before.followedKernelMs,
      followedSteps: after.followedSteps - before.followedSteps,
    };
    const outsideShare = outsideKernelsShare({ ...after, ...followed });
    const betweenMs =
      followed.followedSteps === 0 ? 0 : Math.max(0, followed.followedMs / followed.followedSteps - stepMs);
    const stepParts: readonly {
      readonly id: string;
      readonly name: Text;
      readonly color: number;
      readonly ms: number;
    }[] = [
      { id: 'kernels', name: words.kernels, color: 2, ms: kernelMs },
      { id: 'sampling', name: words.sampling, color: 6, ms: pickMs },
      { id: 'hand-over', name: text('Handing over', '交接'), color: 7, ms: Math.max(0, stepMs - kernelMs - pickMs) },
      { id: 'between', name: text('Between steps', '步间'), color: 5, ms: betweenMs },
    ];
    const tokens = after.generatedTokens - before.generatedTokens;
    const share = (part: Part) => part.meanMs / total.meanMs;
    const largest = parts.reduce((one, other) => (other.meanMs > one.meanMs ? other : one));
    return {
      findings: [
        text(
          `A request takes ${formatMs(total.meanMs)} on average (P99 ${formatMs(total.p99Ms)}); ${formatShare(share(largest), 0)} of it is ${largest.name.en.toLowerCase()}.`,
          `请求平均耗时 ${formatMs(total.meanMs)}（P99 ${formatMs(total.p99Ms)}）；其中 ${formatShare(share(largest), 0)} 为${largest.name.zh}。`,
        ),
        text(
          `A step takes ${formatMs(stepMs)}, of which ${formatMs(kernelMs)} in kernels and ${formatMs(pickMs)} in sampling; ${formatShare(outsideShare)} of the time of steps is outside kernels.`,
          `每步 ${formatMs(stepMs)}，其中内核 ${formatMs(kernelMs)}，采样 ${formatMs(pickMs)}；步时间的 ${formatShare(outsideShare)} 在内核之外。`,
        ),
        text(
          `A token reaches the reader of its stream ${formatMs(parts[4].meanMs)} after its step; ${formatCount(pages.pagesIn)} pages came back from the host tier in ${formatCount(pages.loads)} loads, and ${formatCount(pages.recomputed)} times computing was cheaper.`,
          `token 在其步结束后 ${formatMs(parts[4].meanMs)} 到达读取方；${formatCount(pages.pagesIn)} 页经 ${formatCount(pages.loads)} 次加载自主机层换入，另有 ${formatCount(pages.recomputed)} 次重新计算更划算。`,
        ),
      ],
      charts: [
        barChart({
          id: 'request',
          title: text('A request, on average', '请求的平均构成'),
          x: linearAxis(text('Time', '时间'), [total.meanMs], formatMs),
          rows: [
            {
              label: joinTexts([text('Arrival to end: ', '到达至结束：'), formatMs(total.meanMs)]),
              segments: parts.slice(0, 4).map(({ meanMs, color }) => ({ value: meanMs, color })),
            },
          ],
          legend: parts.slice(0, 4).map(({ name, color }) => ({ label: name, color, mark: 'area' })),
        }),
        barChart({
          id: 'parts',
          title: text('Parts of a request: median and P99', '各部分：中位数与 P99'),
          x: decadeAxis(
            text('Time', '时间'),
            parts.flatMap(({ p50Ms, p99Ms }) => [p50Ms ?? 1, p99Ms ?? 1]).filter((ms) => ms > 0),
            formatMs,
          ),
          rows: parts.flatMap(({ name, color, p50Ms, p99Ms }) =>
            p50Ms === null || p99Ms === null
              ? []
              : [
                  {
                    label: joinTexts([name, text(', median: ', '，中位数：'), formatMs(p50Ms)]),
                    segments: [{ value: p50Ms, color }],
                  },
                  {
                    label: joinTexts([name, text(', P99: ', '，P99：'), formatMs(p99Ms)]),
                    segments: [{ value: p99Ms, color }],
                  },
                ],
          ),
        }),
        barChart({
          id: 'step',
          title: text('A step, on average', '单步的平均构成'),
          x: linearAxis(text('Time', '时间'), [stepParts.reduce((sum, { ms }) => sum + ms, 0)], formatMs),
          rows: [
            {
              label: joinTexts([text('Step to step: ', '步到步：'), formatMs(stepMs + betweenMs)]),
              segments: stepParts.map(({ ms, color }) => ({ value: ms, color })),
            },
          ],
          legend: stepParts.map(({ name, color }) => ({ label: name, color, mark: 'area' })),
        }),
      ],
      tables: [
        {
          id: 'parts-table',
          title: text('Parts of a request', '请求各部分'),
          columns: [
            { label: text('Part', '部分') },
            { label: words.mean },
            { label: text('Share', '占比') },
            { label: words.median },
            { label: 'P99' },
          ],
          rows: [
            ...parts.map((part) => [
              part.name,
              formatMs(part.meanMs),
              part.id === 'streaming' ? '-' : formatShare(share(part)),
              part.p50Ms === null ? '-' : formatMs(part.p50Ms),
              part.p99Ms === null ? '-' : formatMs(part.p99Ms),
            ]),
            [text('All', '合计'), formatMs(total.meanMs), formatShare(1), formatMs(total.p50Ms), formatMs(total.p99Ms)],
          ],
          note: text(
            'Waiting for pages happens in the queue: its mean is the time of all loads over the requests, and is taken off the mean of the queue. Streaming lies beside the next step, not behind the request.',
            '等待页换入发生在排队阶段：其平均值为全部加载时间除以请求数，并已从排队平均值中扣除。流式输出与下一步并行，不计入合计。',
          ),
        },
        {
          id: 'step-table',
          title: text('Parts of a step', '单步各部分'),
          columns: [{ label: text('Part', '部分') }, { label: words.mean }, { label: text('Share', '占比') }],
          rows: stepParts.map(({ name, ms }) => [name, formatMs(ms), formatShare(ms / (stepMs + betweenMs))]),
        },
      ],
      method: [
        text(
          `${formatCount(count)} requests on ${subject.name}, ${formatCount(tokens)} tokens generated, at most ${maxNumSeqs} at once: prompts begin with one of 12 documents of ${formatCount(Math.floor(longest / 2))} tokens. Arrivals are Poisson, ${arrivalsPerAlone} in the time that one request takes alone.`,
          `在 ${subject.name} 上运行 ${formatCount(count)} 个请求，共生成 ${formatCount(tokens)} 个 token，最多同时 ${maxNumSeqs} 个；提示以 12 篇 ${formatCount(Math.floor(longest / 2))} token 的文档之一开头。到达服从泊松过程，单个请求独占耗时内平均到达 ${arrivalsPerAlone} 个。`,
        ),
        text(
          "Arrival, first step, first token and end of each request, and the time of steps, kernels and sampling, are the engine's own clocks; streaming is the reader's clock against them, without HTTP.",
          '各请求的到达、首步、首 token 与结束时间，以及步、内核与采样时间均取自引擎自身的时钟；流式输出为读取方时钟与其之差，不含 HTTP。',
        ),
      ],
      data: {
        model: subject.name,
        requests: times.length,
        generatedTokens: tokens,
        steps,
        totalMs: total,
        parts: parts.map(({ name, color, ...rest }) => rest),
        step: {
          stepMs,
          betweenMs,
          outsideKernelsShare: outsideShare,
          parts: stepParts.map(({ id, ms }) => ({ id, ms })),
        },
        pages,
        preemptions: after.preemptions - before.preemptions,
      },
    };
  },
};
