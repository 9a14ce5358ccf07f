// Calls to the server that the page came from, with a key if one is needed.

import { type Signal, signal } from '@preact/signals';
import { words } from '../i18n/language.ts';

/** `api` for everything but what shows requests of others, which may need a key of its own: `admin`. */
export type KeyKind = 'api' | 'admin';

/** Kept for this tab only. */
function storedKey(name: string): Signal<string> {
  return signal(sessionStorage.getItem(name) ?? '');
}

const names: Readonly<Record<KeyKind, string>> = { api: 'octavo-api-key', admin: 'octavo-admin-key' };
const keys: Readonly<Record<KeyKind, Signal<string>>> = { api: storedKey(names.api), admin: storedKey(names.admin) };

/** What the server said when it refused a key, or the lack of one. */
export const refusals: Readonly<Record<KeyKind, Signal<string>>> = { api: signal(''), admin: signal('') };

export function setKey(kind: KeyKind, key: string): void {
  keys[kind].value = key;
  sessionStorage.setItem(names[kind], key);
  refusals[kind].value = '';
}

/** `fetch` with the key. Rejects with the server's own message when the answer is no success, and with one of ours when there is none. */
export async function callServer(path: string, init: RequestInit = {}, kind: KeyKind = 'api'): Promise<Response> {
  const headers = new Headers(init.headers);
  const key = kind === 'admin' && keys.admin.value !== '' ? keys.admin.value : keys.api.value;
  if (key !== '') headers.set('authorization', `Bearer ${key}`);
  if (init.body !== undefined) headers.set('content-type', 'application/json');
  const response = await fetch(path, { ...init, headers }).catch((error: unknown) => {
    throw error instanceof TypeError ? new Error(words.value.shell.unreachable, { cause: error }) : error;
  });
  if (response.ok) {
    refusals[kind].value = '';
    return response;
  }
  const body = (await response.json().catch(() => null)) as { error?: { message?: string; code?: string } } | null;
  const message = body?.error?.message ?? `The server answered ${response.status}.`;
  if (response.status === 401 || response.status === 403) {
    refusals[body?.error?.code?.includes('admin') ? 'admin' : 'api'].value = message;
  }
  throw new Error(message);
}
