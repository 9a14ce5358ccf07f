// The width of an element, as a signal.

import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

/** Attach `ref` to the element; `widthPx` is 0 until it is laid out. */
export function useWidth<E extends HTMLElement>(): {
  readonly ref: { current: E | null };
  readonly widthPx: Signal<number>;
} {
  const ref = useRef<E>(null);
  const widthPx = useSignal(0);
  useEffect(() => {
    if (ref.current === null) return;
    const observer = new ResizeObserver(([entry]) => {
      widthPx.value = Math.floor(entry.contentRect.width);
    });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, [widthPx]);
  return { ref, widthPx };
}
