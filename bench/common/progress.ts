// What a bench is at, on stderr, so that stdout holds results only.

export function progress(message: string): void {
  process.stderr.write(`${message}\n`);
}
