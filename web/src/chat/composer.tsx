// The field for the next prompt, how often it is sent, and the sampling settings.

import { signal, useSignal } from '@preact/signals';
import { words } from '../i18n/language.ts';
import { DropDown } from '../parts/drop-down.tsx';
import { type Conversation, isStreaming, type Mode, stop } from './conversations.ts';
import { send, sendInForks } from './send.ts';
import { setSetting, settingFields, settings } from './settings.ts';

/** Stays open from one conversation to the next. */
const showsSampling = signal(false);

const modes: readonly Mode[] = ['chat', 'text'];
const forkCounts: readonly number[] = [1, 2, 4, 8];

function SettingsFields() {
  const text = words.value.chat;
  return (
    <div class="settings">
      {settingFields.map((field) => (
        <label key={field.name}>
          <span>{text.settings[field.name]}</span>
          <input
            type="number"
            name={field.name}
            min={field.min}
            max={field.max}
            step={field.step}
            placeholder={text.defaultSetting}
            value={settings.value[field.name] ?? ''}
            onChange={(event) => setSetting(field, event.currentTarget.value)}
          />
        </label>
      ))}
    </div>
  );
}

export function Composer({ conversation }: { conversation: Conversation }) {
  const text = words.value.chat;
  const forks = useSignal<number>(1);
  const streaming = isStreaming(conversation);
  const submit = () => {
    const prompt = conversation.mode.value === 'chat' ? conversation.draft.value.trim() : conversation.draft.value;
    // Its blocks can only be continued once the answer is known.
    if (prompt.trim() === '' || isStreaming(conversation)) return;
    conversation.draft.value = '';
    if (forks.value > 1) sendInForks(conversation, prompt, forks.value);
    else send(conversation, prompt);
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <textarea
        rows={2}
        aria-label={text.prompt}
        placeholder={conversation.mode.value === 'chat' ? text.chatPlaceholder : text.textPlaceholder}
        value={conversation.draft.value}
        onInput={(event) => {
          conversation.draft.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          submit();
        }}
      />
      <div class="send">
        <DropDown
          label={text.mode}
          hidesLabel
          values={modes}
          nameOf={(mode) => text.modes[mode]}
          current={conversation.mode.value}
          choose={(mode) => {
            conversation.mode.value = mode;
          }}
        />
        <DropDown
          label={text.copies}
          hidesLabel
          values={forkCounts}
          nameOf={text.times}
          current={forks.value}
          choose={(times) => {
            forks.value = times;
          }}
        />
        <span class="grow" />
        {streaming && (
          <button type="button" onClick={() => stop(conversation)}>
            {text.stop}
          </button>
        )}
        <button type="submit" class="primary" disabled={streaming}>
          {text.send}
        </button>
      </div>
      <details
        open={showsSampling.value}
        onToggle={(event) => {
          showsSampling.value = event.currentTarget.open;
        }}
      >
        <summary>{text.sampling}</summary>
        <SettingsFields />
      </details>
    </form>
  );
}
