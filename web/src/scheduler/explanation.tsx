// Why a request was slow: asked of the server, and asked again while the request runs.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { waitCauses } from '../../../src/events/types.ts';
import { count, milliseconds } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { shortId } from '../memory/describe.ts';
import { css } from '../parts/palette.ts';
import { explainRequest, type RequestExplanation, type SharedBlocks } from '../server/explanations.ts';
import { setParams } from '../shell/route.ts';
import { darkMode } from '../shell/theme.ts';
import { waitColour } from './draw.ts';

const refreshMs = 1500;

/** Asks for a request's explanation until it has ended. */
function useExplanation(requestId: string | null) {
  const answer = useSignal<RequestExplanation | null>(null);
  const problem = useSignal('');
  useEffect(() => {
    answer.value = null;
    problem.value = '';
    if (requestId === null) return;
    const abort = new AbortController();
    const ask = async (): Promise<void> => {
      for (;;) {
        const explanation = await explainRequest(requestId, abort.signal);
        if (abort.signal.aborted) return;
        answer.value = explanation;
        if (explanation.state !== 'waiting' && explanation.state !== 'running') return;
        await new Promise((resolve) => setTimeout(resolve, refreshMs));
      }
    };
    ask().catch((error: unknown) => {
      if (!abort.signal.aborted) problem.value = error instanceof Error ? error.message : String(error);
    });
    return () => abort.abort();
  }, [requestId]);
  return { answer: answer.value, problem: problem.value };
}

function Waits({ waited_ms }: Pick<RequestExplanation, 'waited_ms'>) {
  const text = words.value.explanation;
  const total = waitCauses.reduce((sum, cause) => sum + waited_ms[cause], 0);
  const parts = waitCauses.filter((cause) => waited_ms[cause] > 0);
  return (
    <>
      <p data-waited={Math.round(total)}>{text.waited(milliseconds(total))}</p>
      {total > 0 && (
        <>
          <div class="wait-bar" aria-hidden="true">
            {parts.map((cause) => (
              <span
                key={cause}
                style={{ flexGrow: waited_ms[cause], background: css(waitColour(cause, darkMode.value)) }}
              />
            ))}
          </div>
          <ul class="legend">
            {parts.map((cause) => (
              <li key={cause}>
                <i class="swatch" style={{ background: css(waitColour(cause, darkMode.value)) }} />
                {words.value.waits[cause]} <b>{milliseconds(waited_ms[cause])}</b>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function Sharers({ sharers }: { sharers: readonly SharedBlocks[] }) {
  if (sharers.length === 0) return <>–</>;
  const text = words.value.explanation;
  return (
    <>
      {sharers.slice(0, 8).map(({ id, blocks }) => (
        <span key={id} class="sharer" title={id}>
          {shortId(id)} ({text.blocks(blocks)})
        </span>
      ))}
    </>
  );
}

function Facts({ answer }: { answer: RequestExplanation }) {
  const text = words.value.explanation;
  const { prefix_cache: cache, steps, inter_token_ms: gaps, preemptions } = answer;
  const tiers = Object.entries(cache.cached_tokens_by_tier).filter(([, tokens]) => tokens > 0);
  return (
    <>
      <Waits waited_ms={answer.waited_ms} />
      <dl class="facts">
        <dt>{text.facts.state}</dt>
        <dd data-explained="state">{text.states[answer.state]}</dd>
        <dt>{text.facts.tokens}</dt>
        <dd>{text.tokens(answer.prompt_tokens, answer.completion_tokens)}</dd>
        <dt>{text.facts.cache}</dt>
        <dd data-explained="cached" data-value={cache.cached_tokens}>
          {text.cached(cache.cached_tokens, answer.prompt_tokens)}
          {tiers.length > 1 &&
            ` (${tiers.map(([tier, tokens]) => `${text.tiers[tier as 'device'] ?? tier} ${count(tokens)}`).join(', ')})`}
        </dd>
        <dt>{text.facts.missing}</dt>
        <dd data-explained="reason" data-value={cache.reason ?? ''}>
          {cache.reason === null ? '–' : text.reasons[cache.reason]}
          {cache.first_missing_token !== null && ` · ${text.firstMissing(cache.first_missing_token)}`}
        </dd>
        {cache.text_from_missing !== null && (
          <>
            <dt>{text.facts.text}</dt>
            <dd>
              <code>
                {cache.text_before_missing}
                <mark>{cache.text_from_missing}</mark>
              </code>
            </dd>
          </>
        )}
        <dt>{text.facts.sharedWith}</dt>
        <dd>
          <Sharers sharers={answer.blocks_shared_now.length > 0 ? answer.blocks_shared_now : cache.shared_with} />
        </dd>
        <dt>{text.facts.steps}</dt>
        <dd>
          {steps.first === null || steps.last === null
            ? '–'
            : text.steps(count(steps.count), count(steps.first), count(steps.last), count(steps.computed_tokens))}
        </dd>
        <dt>{text.facts.firstToken}</dt>
        <dd>{answer.ttft_ms === null ? '–' : text.afterArrival(milliseconds(answer.ttft_ms))}</dd>
        <dt>{text.facts.between}</dt>
        <dd>
          {gaps === null ? '–' : text.gaps(milliseconds(gaps.p50), milliseconds(gaps.p99), milliseconds(gaps.max))}
        </dd>
        <dt>{text.facts.preemptions}</dt>
        <dd data-explained="preemptions" data-value={answer.preemption_count}>
          {count(answer.preemption_count)}
        </dd>
      </dl>
      <ul class="preemptions">
        {preemptions.slice(0, 12).map(({ step, by, reason, lost_tokens, recomputed_tokens }) => (
          <li key={step}>
            {text.preempted(
              count(step),
              shortId(by),
              words.value.scheduler.preemptionReasons[reason],
              count(lost_tokens),
              recomputed_tokens === null ? null : count(recomputed_tokens),
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

export function Explanation({ requestId }: { requestId: string | null }) {
  const text = words.value.explanation;
  const { answer, problem } = useExplanation(requestId);
  return (
    <section class="panel explanation" aria-label={text.title} aria-live="polite">
      <h2>
        {text.title} {requestId !== null && <code class="faint">{requestId}</code>}
      </h2>
      <form
        class="ask"
        onSubmit={(event) => {
          event.preventDefault();
          const asked = String(new FormData(event.currentTarget).get('request') ?? '').trim();
          if (asked !== '') setParams({ request: asked });
        }}
      >
        <input name="request" aria-label={text.request} placeholder={text.request} autocomplete="off" />
        <button type="submit">{text.ask}</button>
      </form>
      {requestId === null && <p class="hint">{text.hint}</p>}
      {problem !== '' && <p class="error">{problem}</p>}
      {answer !== null && <Facts answer={answer} />}
    </section>
  );
}
