// A group of buttons of which one is pressed.

export function Choice<Value extends string | number>(props: {
  readonly label: string;
  readonly values: readonly Value[];
  readonly names: Readonly<Record<Value, string>>;
  readonly current: Value;
  readonly choose: (value: Value) => void;
}) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset brings a frame and a legend
    <div class="choice" role="group" aria-label={props.label}>
      {props.values.map((value) => (
        <button key={value} type="button" aria-pressed={value === props.current} onClick={() => props.choose(value)}>
          {props.names[value]}
        </button>
      ))}
    </div>
  );
}
