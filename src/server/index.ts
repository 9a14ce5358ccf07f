// The public face of the server: `import { startServer } from 'octavo/server'`.

export type { BlockFrame } from './block-frames.ts';
export { createServer, type ServerOptions } from './server.ts';
export { type RunningServer, type StartOptions, startServer } from './start.ts';
