// Public parts of the calibration.

export { backendBuild } from './backend-build.ts';
export { type CalibrateOptions, calibrateModel, fingerprintOf, type ModelCalibration } from './calibrate-model.ts';
export {
  type Calibration,
  calibrationFormat,
  calibrationVersion,
  costsOf,
  parseCalibration,
} from './file.ts';
export {
  type ClientRun,
  fitServer,
  type MeasuredLoad,
  type ServerFit,
  type ServerSettings,
  simulateLoad,
} from './fit-server.ts';
export { readServerHistory, type ServerHistory } from './server-steps.ts';
