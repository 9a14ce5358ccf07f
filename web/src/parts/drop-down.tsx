// A drop-down of a few values with its label.

export function DropDown<Value extends string | number>(props: {
  readonly label: string;
  /** Whether the label is only for those who hear it. */
  readonly hidesLabel?: boolean;
  readonly values: readonly Value[];
  readonly nameOf: (value: Value) => string;
  readonly current: Value;
  readonly choose: (value: Value) => void;
}) {
  const { label, values, current, nameOf, choose } = props;
  return (
    <label>
      {props.hidesLabel ? <span class="visually-hidden">{label}</span> : label}
      <select value={current} onChange={(event) => choose(values[event.currentTarget.selectedIndex])}>
        {values.map((value) => (
          <option key={value} value={value}>
            {nameOf(value)}
          </option>
        ))}
      </select>
    </label>
  );
}
