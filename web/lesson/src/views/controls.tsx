// What a learner may turn in a scene.

import { memoryModes } from '../../../../src/memory/create-memory.ts';
import { evictionPolicyNames } from '../../../../src/memory/eviction/index.ts';
import { place, reset, turn } from '../state.ts';
import { words } from '../words/index.ts';
import { scenes } from '../world/scenes.ts';
import { limits, type Settings, type Slider } from '../world/settings.ts';

function Range({ name, value }: { name: Slider; value: number }) {
  const { min, max, step } = limits[name];
  return (
    <label>
      <span>{words.value.controls[name]}</span>
      <input
        type="range"
        min={min}
        max={max}
        step={step}
        value={value}
        onInput={(event) => turn(name, Number(event.currentTarget.value))}
      />
      <output>{value}</output>
    </label>
  );
}

function Select<Name extends 'memory' | 'policy'>({
  name,
  value,
  options,
}: {
  name: Name;
  value: Settings[Name];
  options: readonly (readonly [Settings[Name], string])[];
}) {
  return (
    <label>
      <span>{words.value.controls[name]}</span>
      <select value={value} onChange={(event) => turn(name, event.currentTarget.value as Settings[Name])}>
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Controls() {
  const { scene, settings } = place.value;
  return (
    <div class="controls">
      {scenes[scene].controls.map((name) => {
        if (name === 'memory') {
          const options = memoryModes.map((mode) => [mode, words.value.memory[mode]] as const);
          return <Select key={name} name={name} value={settings.memory} options={options} />;
        }
        if (name === 'policy') {
          const options = evictionPolicyNames.map((policy) => [policy, policy] as const);
          return <Select key={name} name={name} value={settings.policy} options={options} />;
        }
        return <Range key={name} name={name} value={settings[name]} />;
      })}
      <button type="button" onClick={reset}>
        {words.value.reset}
      </button>
    </div>
  );
}
