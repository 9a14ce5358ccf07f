// The part of cli-progress that the command uses; the package ships no types.

declare module 'cli-progress' {
  export interface BarOptions {
    readonly format?: string;
    readonly hideCursor?: boolean;
    readonly clearOnComplete?: boolean;
    readonly stream?: NodeJS.WritableStream;
    readonly barCompleteChar?: string;
    readonly barIncompleteChar?: string;
  }
  export class SingleBar {
    constructor(options: BarOptions);
    start(total: number, value: number, payload?: Record<string, unknown>): void;
    update(value: number, payload?: Record<string, unknown>): void;
    setTotal(total: number): void;
    stop(): void;
  }
}
