// Numbers for people: those of the reports.

export { formatBytes, formatCount, formatParameters } from '../analysis/format.ts';
