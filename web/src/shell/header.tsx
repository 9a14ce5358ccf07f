// The header: what is served, how it does, language and theme.

import { count, figures, percent } from '../i18n/format.ts';
import { language, languages, words } from '../i18n/language.ts';
import { latest, modelName, reachable } from '../metrics/poll.ts';
import { Choice } from '../parts/choice.tsx';
import { themeChoice, themeChoices } from './theme.ts';

function Figure({ name, value, title }: { name: string; value: string; title: string }) {
  return (
    <div class="figure" title={title} data-figure={name}>
      <dt>{title}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Figures() {
  const text = words.value.shell;
  const now = latest.value;
  const show = (name: string, format: (value: number) => string) =>
    now[name] === undefined || !Number.isFinite(now[name]) ? '–' : format(now[name]);
  return (
    <dl class="figures">
      <Figure name="running" title={text.running} value={show('running', count)} />
      <Figure name="waiting" title={text.waiting} value={show('waiting', count)} />
      <Figure name="tokens" title={text.tokensPerSecond} value={show('generatedPerSecond', figures)} />
      <Figure name="held" title={text.poolHeld} value={show('heldPercent', (value) => percent(value / 100))} />
    </dl>
  );
}

export function Header() {
  const text = words.value.shell;
  return (
    <div class="bar">
      <h1>
        <svg viewBox="0 0 16 16" width="15" height="15" aria-hidden="true">
          <path class="mark" d="M1 1h6v6H1zm8 0h6v6H9zM1 9h6v6H1z" />
          <path class="mark-faint" d="M9 9h6v6H9z" />
        </svg>
        Octavo
      </h1>
      <span class="model" title={modelName.value} data-foreign>
        {modelName.value}
      </span>
      <span class={`connection ${reachable.value}`} role="status">
        {text.connection[reachable.value]}
      </span>
      <a class="lesson" href="lesson/" title={text.lessonTitle}>
        {text.lesson}
      </a>
      <Figures />
      <Choice
        label={text.language}
        values={languages}
        names={{ en: 'EN', zh: '中文' }}
        current={language.value}
        choose={(value) => {
          language.value = value;
        }}
      />
      <Choice
        label={text.theme}
        values={themeChoices}
        names={text.themes}
        current={themeChoice.value}
        choose={(value) => {
          themeChoice.value = value;
        }}
      />
    </div>
  );
}
