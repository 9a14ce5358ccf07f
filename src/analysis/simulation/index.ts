// Pages of simulations.

export { runPage, type SimulationSubject, sweepPage } from './simulation-page.ts';
