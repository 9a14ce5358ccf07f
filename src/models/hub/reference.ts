// Names of models on a hub as people write them: `owner/name`, `owner/name@revision`, `owner/name:file-or-quant`.

import { InvalidRequestError } from '../../errors/errors.ts';

export interface HubReference {
  /** `owner/name`. */
  readonly repo: string;
  /** A branch, tag or commit. */
  readonly revision: string;
  /** A GGUF file's path in the repository, or a quantisation such as `Q4_K_M`; null: whatever suits best. */
  readonly selector: string | null;
}

const namePart = '[A-Za-z0-9_][A-Za-z0-9._-]*';
const pattern = new RegExp(`^(?<repo>${namePart}/${namePart})(?:@(?<revision>[^:\\s]+))?(?::(?<selector>[^\\s]+))?$`);

/** Whether `text` could name a model on a hub; a path that exists should be tried first. */
export function isHubReference(text: string): boolean {
  return pattern.test(text);
}

/** Reads a reference; the revision defaults to `main`. Throws InvalidRequestError for text of another form. */
export function parseHubReference(text: string): HubReference {
  const groups = pattern.exec(text)?.groups;
  const revision = groups?.revision ?? 'main';
  if (groups === undefined || !isSafePath(revision)) {
    throw new InvalidRequestError(
      `"${text}" does not name a model on a hub. Write owner/name, owner/name@revision or owner/name:file.gguf.`,
      'model',
      text,
    );
  }
  return { repo: groups.repo, revision, selector: groups.selector ?? null };
}

/** Whether a path from a hub or a user stays inside the folder that it is joined to. */
export function isSafePath(path: string): boolean {
  const parts = path.split('/');
  return (
    path.length <= 1_024 && !/[\\\0:]/.test(path) && parts.every((part) => part !== '' && part !== '.' && part !== '..')
  );
}
