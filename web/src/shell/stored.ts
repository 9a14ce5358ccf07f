// Signals whose value is remembered by the browser. Without storage they are plain signals.

import { effect, type Signal, signal } from '@preact/signals';

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage may be refused; the choice then lasts as long as the page.
  }
}

/** Remembered under `key`; starts with `fallback` unless one of `allowed` is remembered. */
export function storedSignal<Value extends string>(
  key: string,
  allowed: readonly Value[],
  fallback: Value,
): Signal<Value> {
  const remembered = read(key) as Value | null;
  const value = signal(remembered !== null && allowed.includes(remembered) ? remembered : fallback);
  let first = true;
  effect(() => {
    const now = value.value;
    // What was never chosen is not remembered: a fallback may follow the browser's settings.
    if (!first) write(key, now);
    first = false;
  });
  return value;
}
