// Reads server-sent events from a fetch body; EventSource can send neither a POST nor a key.

/** The `data` of each event, in order. Comments and other fields are skipped. */
export async function* readEventData(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      let end = rest.indexOf('\n\n');
      while (end >= 0) {
        const data = rest
          .slice(0, end)
          .split('\n')
          .filter((line) => line.startsWith('data:'))
          .map((line) => line.slice(5).replace(/^ /, ''))
          .join('\n');
        rest = rest.slice(end + 2);
        if (data !== '') yield data;
        end = rest.indexOf('\n\n');
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
