// The command line: every command with its flags.

import { Command, CommanderError } from 'commander';
import { packageVersion } from './bundled-model.ts';
import { addCalibrateCommand } from './commands/calibrate.ts';
import { addChatCommand } from './commands/chat.ts';
import { addInspectCommand } from './commands/inspect.ts';
import { addPlanCommand } from './commands/plan.ts';
import { addReportCommand } from './commands/report.ts';
import { addRunCommand } from './commands/run.ts';
import { addServeCommand } from './commands/serve.ts';
import { addSimulateCommand } from './commands/simulate.ts';
import { addSynthCommand } from './commands/synth.ts';

const environment = `
Environment:
  OCTAVO_API_KEY  the API key of \`serve\`, if --api-key is not given
  HF_ENDPOINT     where Hugging Face ids are fetched from (default: https://huggingface.co)
  HF_TOKEN        token for gated or private models
  HF_HOME         folder of the hub's cache (default: ~/.cache/huggingface)

MODEL is a GGUF file, a safetensors folder, or a Hugging Face id: owner/name, or owner/name:q8_0 or
owner/name:file.gguf to choose a file. What exists as a path is a path.

Examples:
  octavo serve
  octavo run "Once upon a time"
  octavo inspect ./model.gguf`;

/** All commands. Errors are thrown: CommanderError for a wrong command line or for help that was shown. */
export function createProgram(): Command {
  const program = new Command('octavo')
    .description('Serve large language models from Node on a paged KV cache.')
    .version(packageVersion())
    .exitOverride()
    .configureHelp({ showGlobalOptions: false })
    .showHelpAfterError('Run with --help for all options.')
    .addHelpText('after', environment);
  addServeCommand(program);
  addRunCommand(program);
  addChatCommand(program);
  addInspectCommand(program);
  addPlanCommand(program);
  addReportCommand(program);
  addSynthCommand(program);
  addSimulateCommand(program);
  addCalibrateCommand(program);
  return program;
}

/** Whether the error is help or the version, which is a success. */
export function isHelp(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === 0;
}
