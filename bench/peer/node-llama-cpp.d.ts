// The few parts of node-llama-cpp that the benchmark uses, so that the project type-checks without the peer installed.

declare module 'node-llama-cpp' {
  export type Token = number & { __token: never };
  export enum LlamaLogLevel {
    error = 'error',
  }
  interface ContextSequence {
    evaluate(tokens: Token[], options: { temperature: number; yieldEogToken?: boolean }): AsyncGenerator<Token, void>;
    /** Keeps the tokens that the state and `tokens` begin with in common, and drops the rest. */
    adaptStateToTokens(tokens: Token[], allowShift: boolean): Promise<void>;
    readonly nextTokenIndex: number;
    dispose(): void;
  }
  interface Context {
    getSequence(): ContextSequence;
    dispose(): Promise<void>;
  }
  interface Model {
    createContext(options: {
      sequences: number;
      contextSize: number;
      batchSize: number;
      threads: number;
    }): Promise<Context>;
  }
  interface Llama {
    loadModel(options: { modelPath: string; gpuLayers: number }): Promise<Model>;
    dispose(): Promise<void>;
  }
  export function getLlama(options: {
    gpu: false;
    build: 'never';
    skipDownload: boolean;
    logLevel: LlamaLogLevel;
    maxThreads: number;
    progressLogs: boolean;
  }): Promise<Llama>;
}
