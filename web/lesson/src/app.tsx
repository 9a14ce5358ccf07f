// The lesson: the way through the scenes above, the text beside the scene.

import { language, languages } from '../../src/i18n/language-signal.ts';
import { Choice } from '../../src/parts/choice.tsx';
import { themeChoice, themeChoices } from '../../src/shell/theme.ts';
import { failure, frame, frames, go, neighbour, place, shownStep, showStep } from './state.ts';
import { Controls } from './views/controls.tsx';
import { Figures } from './views/figures.tsx';
import { Happenings } from './views/happenings.tsx';
import { Legend, Pool } from './views/pool.tsx';
import { Steps } from './views/steps.tsx';
import { Tables } from './views/tables.tsx';
import { Timeline } from './views/timeline.tsx';
import { words } from './words/index.ts';
import { sceneNames } from './world/scenes.ts';

function Header() {
  const { title, subtitle, language: languageLabel, theme, themes } = words.value;
  return (
    <header class="top">
      <div>
        <h1>
          Octavo <span>{title}</span>
        </h1>
        <p>{subtitle}</p>
      </div>
      <div class="choices">
        <Choice
          label={languageLabel}
          values={languages}
          names={{ en: 'English', zh: '中文' }}
          current={language.value}
          choose={(chosen) => {
            language.value = chosen;
          }}
        />
        <Choice
          label={theme}
          values={themeChoices}
          names={themes}
          current={themeChoice.value}
          choose={(chosen) => {
            themeChoice.value = chosen;
          }}
        />
      </div>
    </header>
  );
}

function SceneNav() {
  const { scenesLabel, scenes } = words.value;
  return (
    <nav aria-label={scenesLabel}>
      <ol>
        {sceneNames.map((name, i) => (
          <li key={name}>
            <a
              href={`#/${name}/1`}
              aria-current={name === place.value.scene ? 'page' : undefined}
              onClick={(event) => {
                event.preventDefault();
                go(name);
              }}
            >
              {i + 1} {scenes[name].name}
            </a>
          </li>
        ))}
      </ol>
    </nav>
  );
}

function Guide() {
  const { scenes, previous, next, settings } = words.value;
  const { title, text } = scenes[place.value.scene];
  const [before, after] = [neighbour(-1), neighbour(1)];
  return (
    <section class="guide" aria-labelledby="scene-title">
      <h2 id="scene-title">{title}</h2>
      {text.map((paragraph) => (
        <p key={paragraph}>{paragraph}</p>
      ))}
      <h3>{settings}</h3>
      <Controls />
      <div class="ways">
        <button type="button" disabled={before === null} onClick={() => before && go(before)}>
          {previous}
        </button>
        <button type="button" class="primary" disabled={after === null} onClick={() => after && go(after)}>
          {next}
        </button>
      </div>
    </section>
  );
}

function Stage() {
  const shown = frame.value;
  const { settings } = place.value;
  if (failure.value !== null) return <p role="alert">{failure.value}</p>;
  if (shown === null) return null;
  const text = words.value;
  const hasTier = settings.hostPages > 0;
  return (
    <div class="stage" id="scene" tabIndex={-1}>
      <Steps />
      <section aria-label={text.happened}>
        <h3>{text.happened}</h3>
        <Happenings happenings={shown.happenings} />
      </section>
      <section aria-label={text.pool}>
        <h3>
          {text.pool} <span class="hint">{text.poolHint(shown.blocks.length, settings.blockSize)}</span>
          {hasTier && <span class="host">{text.host(shown.hostPages)}</span>}
        </h3>
        <Pool blocks={shown.blocks} blockSize={settings.blockSize} />
        <Legend />
      </section>
      <div class="pair">
        <section aria-label={text.tables}>
          <h3>
            {text.tables} <span class="hint">{text.tablesHint}</span>
          </h3>
          <Tables sequences={shown.sequences} blocks={shown.blocks} />
        </section>
        <section aria-label={text.figures}>
          <h3>{text.figures}</h3>
          <Figures figures={shown.figures} hasTier={hasTier} />
        </section>
      </div>
      <section aria-label={text.timeline}>
        <h3>
          {text.timeline} <span class="hint">{text.timelineHint}</span>
        </h3>
        <Timeline frames={frames.value} step={shownStep.value} choose={showStep} />
      </section>
    </div>
  );
}

export function App() {
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('scene')?.focus()}>
        {words.value.skip}
      </button>
      <Header />
      <SceneNav />
      <main>
        <Guide />
        <Stage />
      </main>
    </>
  );
}
