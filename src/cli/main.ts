#!/usr/bin/env node
// The entry point of the `octavo` command.

import { CommanderError } from 'commander';
import { reportError } from './cli-error.ts';
import { createProgram, isHelp } from './program.ts';

// A reader that has seen enough (`octavo run … | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await createProgram().parseAsync(process.argv);
} catch (error) {
  // Commander has written its message already; a wrong command line exits with 2.
  if (error instanceof CommanderError) process.exitCode = isHelp(error) ? 0 : 2;
  else process.exitCode = reportError(error, process.stderr, process.argv.includes('--verbose'));
}
