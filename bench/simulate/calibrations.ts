// Calibrations of this machine around the runs of a benchmark.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backendBuild, type Calibration, parseCalibration } from '../../src/simulation/calibration/index.ts';
import { UsageError } from '../common/options.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Runs `octavo calibrate`. `seconds`: for the steps, and for the loads. Throws where it fails. */
export async function calibrate(model: string, threads: number, seconds: number): Promise<Calibration> {
  const path = join(root, 'bench/.cache/calibration.json');
  const command = ['--import', 'tsx', 'src/cli/main.ts', 'calibrate', model];
  const flags = { threads: String(threads), seconds: String(seconds), output: path };
  const args = [...command, ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`octavo calibrate ended with code ${String(code)}`);
  return readCalibration(path);
}

/** Throws UsageError for one of other kernels than those that will run. */
export function readCalibration(path: string): Calibration {
  if (!existsSync(path)) throw new UsageError(`there is no file ${path}`);
  let calibration: Calibration;
  try {
    calibration = parseCalibration(readFileSync(path, 'utf8'), path);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const { build } = calibration;
  if (build !== backendBuild(build.split(' ')[0])) {
    throw new UsageError(`${path} was measured with another build of the kernels: run octavo calibrate again`);
  }
  return calibration;
}
