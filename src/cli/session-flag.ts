// `--session FILE`: what a conversation was is loaded before it goes on, and saved after each turn.

import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Engine, LoadedSession } from '../engine/api.ts';
import type { ChatMessage } from '../models/chat-template.ts';
import { CliError } from './cli-error.ts';

export interface SessionFlags {
  readonly session?: string;
}

export function addSessionFlag(command: Command): Command {
  return command.addOption(
    new Option(
      '--session <file>',
      'go on from this file if it exists, without computing its tokens again, and save to it after each answer',
    ),
  );
}

/** The session of a file, or null if no file is asked for or it does not exist yet. Rejects with SessionFileError. */
export async function loadSessionFile(engine: Engine, path: string | undefined): Promise<LoadedSession | null> {
  return path === undefined || !existsSync(path) ? null : engine.loadSession(path);
}

/** What `octavo chat` keeps in a session beside its tokens. */
export function packMessages(messages: readonly ChatMessage[]): string {
  return JSON.stringify({ messages });
}

/** Throws CliError for a session that `octavo chat` did not save. */
export function unpackMessages(path: string, data: string | null): ChatMessage[] {
  const messages: unknown = data === null ? null : parse(data)?.messages;
  const isMessage = (it: unknown): it is ChatMessage =>
    typeof (it as ChatMessage | null)?.role === 'string' && typeof (it as ChatMessage).content === 'string';
  if (!Array.isArray(messages) || !messages.every(isMessage)) {
    throw new CliError(`${path} holds no chat.`, 'Go on from it with `octavo run --session`, or name another file.');
  }
  return messages;
}

function parse(data: string): { readonly messages?: unknown } | null {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
