// Public parts of the calibration.

export { type CalibrateOptions, calibrateModel, fingerprintOf, type ModelCalibration } from './calibrate-model.ts';
export {
  type Calibration,
  calibrationFormat,
  calibrationVersion,
  costsOf,
  parseCalibration,
} from './file.ts';
export { fitServer, type MeasuredLoad, type ServerFit, type ServerSettings, simulateLoad } from './fit-server.ts';
