// The public face of the server: `import { startServer } from 'octavo/server'`.

export { createServer, type ServerOptions } from './server.ts';
export { type RunningServer, type StartOptions, startServer } from './start.ts';
