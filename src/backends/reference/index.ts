// The reference backend.

export { createReferenceBackend, type ReferenceBackendOptions } from './reference.ts';
