// Calls to the server that the page came from, with the API key if one is needed.

import { signal } from '@preact/signals';

const keyName = 'octavo-api-key';

/** Kept for this tab only. */
export const apiKey = signal(sessionStorage.getItem(keyName) ?? '');
/** The server has answered 401. */
export const keyRefused = signal(false);

export function setApiKey(key: string): void {
  apiKey.value = key;
  sessionStorage.setItem(keyName, key);
  keyRefused.value = false;
}

/** `fetch` with the key. Rejects with the server's own message when the answer is not a success. */
export async function callServer(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (apiKey.value !== '') headers.set('authorization', `Bearer ${apiKey.value}`);
  if (init.body !== undefined) headers.set('content-type', 'application/json');
  const response = await fetch(path, { ...init, headers });
  if (response.ok) return response;
  if (response.status === 401) keyRefused.value = true;
  const body = (await response.json().catch(() => null)) as { error?: { message?: string } } | null;
  throw new Error(body?.error?.message ?? `The server answered ${response.status}.`);
}
