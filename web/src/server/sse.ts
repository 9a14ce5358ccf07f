// Reads server-sent events from a fetch body; EventSource can send neither a POST nor a key.

export interface ServerSentEvent {
  /** `message` where the server names none. */
  readonly event: string;
  /** Null where it has none. */
  readonly id: string | null;
  readonly data: string;
}

function parseFrame(frame: string): ServerSentEvent | null {
  let event = 'message';
  let id: string | null = null;
  const data: string[] = [];
  for (const line of frame.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, '');
    const field = line.slice(0, colon);
    if (field === 'event') event = value;
    else if (field === 'id') id = value;
    else if (field === 'data') data.push(value);
  }
  return data.length === 0 ? null : { event, id, data: data.join('\n') };
}

/** The events in order. Comments are skipped, but count as signs of life: `onBytes` is called with everything that comes. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  onBytes?: () => void,
): AsyncGenerator<ServerSentEvent, void, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      onBytes?.();
      rest += decoder.decode(value, { stream: true });
      let end = rest.indexOf('\n\n');
      while (end >= 0) {
        const parsed = parseFrame(rest.slice(0, end));
        rest = rest.slice(end + 2);
        if (parsed !== null) yield parsed;
        end = rest.indexOf('\n\n');
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
