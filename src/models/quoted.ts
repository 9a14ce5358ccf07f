// Names out of files, made fit for error messages.

const shownLength = 100;

/** The name in quotes, its control characters escaped, cut after 100 characters: files can call anything anything. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > shownLength ? `${name.slice(0, shownLength)}…` : name);
}
