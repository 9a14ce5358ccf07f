// Every error that Octavo throws on purpose: a class with a stable code and the values at fault.

/** Base of all typed errors. `code` is stable and machine-readable; fields of subclasses carry the values at fault. */
export abstract class OctavoError extends Error {
  abstract readonly code: string;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A request or option whose value is not acceptable. `param` names it as the caller wrote it. */
export class InvalidRequestError extends OctavoError {
  readonly code = 'invalid_request';
  readonly param: string | null;
  readonly value: unknown;
  constructor(message: string, param: string | null = null, value: unknown = undefined) {
    super(message);
    this.param = param;
    this.value = value;
  }
}

/** The prompt plus the tokens asked for exceed what a sequence may hold. */
export class ContextLengthError extends OctavoError {
  readonly code = 'context_length_exceeded';
  readonly promptTokens: number;
  readonly requestedTokens: number;
  readonly limitTokens: number;
  constructor(promptTokens: number, requestedTokens: number, limitTokens: number) {
    super(
      `This model's maximum context length is ${limitTokens} tokens, but the request needs ` +
        `${promptTokens + requestedTokens} (${promptTokens} in the prompt, ${requestedTokens} to generate). ` +
        'Shorten the prompt or ask for fewer tokens.',
    );
    this.promptTokens = promptTokens;
    this.requestedTokens = requestedTokens;
    this.limitTokens = limitTokens;
  }
}

/** The waiting queue is full; the caller should retry later. */
export class QueueFullError extends OctavoError {
  readonly code = 'queue_full';
  readonly queuedRequests: number;
  readonly limitRequests: number;
  constructor(queuedRequests: number, limitRequests: number) {
    super(`The queue is full (${queuedRequests} of ${limitRequests} requests are waiting). Retry later.`);
    this.queuedRequests = queuedRequests;
    this.limitRequests = limitRequests;
  }
}

/** The engine is draining or closed and takes no more requests. */
export class EngineClosedError extends OctavoError {
  readonly code = 'engine_closed';
  constructor(message = 'The engine is shutting down and takes no more requests.') {
    super(message);
  }
}

/** A model file or folder that cannot be used: malformed, truncated, inconsistent or unsupported. */
export class ModelFileError extends OctavoError {
  readonly code = 'model_file';
  readonly path: string;
  readonly detail: string;
  constructor(path: string, detail: string, options?: ErrorOptions) {
    super(`${path}: ${detail}`, options);
    this.path = path;
    this.detail = detail;
  }
}

/** A trace that cannot be read or is malformed. `line` counts from 1; null when it is the file itself. */
export class TraceFileError extends OctavoError {
  readonly code = 'trace_file';
  readonly path: string;
  readonly line: number | null;
  readonly detail: string;
  constructor(path: string, line: number | null, detail: string, options?: ErrorOptions) {
    super(`${path}${line === null ? '' : `, line ${line}`}: ${detail}`, options);
    this.path = path;
    this.line = line;
    this.detail = detail;
  }
}

/** A calibration that cannot be read, is malformed, or was measured with another model. */
export class CalibrationFileError extends OctavoError {
  readonly code = 'calibration_file';
  readonly path: string;
  readonly detail: string;
  constructor(path: string, detail: string, options?: ErrorOptions) {
    super(`${path}: ${detail}`, options);
    this.path = path;
    this.detail = detail;
  }
}

/** A model file that is well-formed but uses something Octavo does not support. */
export class UnsupportedModelError extends OctavoError {
  readonly code = 'model_unsupported';
  readonly feature: string;
  readonly supported: readonly string[];
  constructor(feature: string, supported: readonly string[]) {
    super(`${feature} is not supported. Supported: ${supported.join(', ')}.`);
    this.feature = feature;
    this.supported = supported;
  }
}

/** Why a download from a model hub failed. `access` covers gated and private repositories and wrong tokens. */
export type HubFailure = 'access' | 'not_found' | 'network' | 'http' | 'checksum' | 'disk' | 'protocol';

/** A model that could not be fetched from a hub. `status` is the HTTP status where there was an answer. */
export class HubError extends OctavoError {
  readonly code = 'hub';
  readonly failure: HubFailure;
  readonly url: string;
  readonly status: number | null;
  constructor(failure: HubFailure, url: string, message: string, status: number | null = null, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
    this.url = url;
    this.status = status;
  }
}

/** Memory that was asked for at start-up does not suffice for even one sequence, or exceeds the machine's. */
export class MemoryPlanError extends OctavoError {
  readonly code = 'memory_plan';
  readonly neededBytes: number;
  readonly availableBytes: number;
  constructor(message: string, neededBytes: number, availableBytes: number) {
    super(message);
    this.neededBytes = neededBytes;
    this.availableBytes = availableBytes;
  }
}

/** A backend that cannot be used here (no addon, missing instructions), or a step that failed in it. */
export class BackendError extends OctavoError {
  readonly code = 'backend';
  readonly backend: string;
  constructor(backend: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.backend = backend;
  }
}

/** Why a folder of pages cannot be used: another process has it, it was made for something else, or the disk refuses. */
export type TierFolderFault = 'locked' | 'identity' | 'io';

/** A folder for pages that cannot be used. Nothing in it was changed. */
export class TierFolderError extends OctavoError {
  readonly code = 'tier_folder';
  readonly folder: string;
  readonly fault: TierFolderFault;
  constructor(folder: string, fault: TierFolderFault, detail: string, options?: ErrorOptions) {
    super(`${folder}: ${detail}`, options);
    this.folder = folder;
    this.fault = fault;
  }
}

/**
 * Why a session file cannot be resumed: `version` of another format, `model`, `kv_type` or `layout` other than this engine's,
 * `truncated`, `corrupt` (a checksum is wrong), `not_a_session`, or `io`.
 */
export type SessionFileFault =
  | 'version'
  | 'model'
  | 'kv_type'
  | 'layout'
  | 'truncated'
  | 'corrupt'
  | 'not_a_session'
  | 'io';

/** A session file that cannot be read or written. */
export class SessionFileError extends OctavoError {
  readonly code = 'session_file';
  readonly path: string;
  readonly fault: SessionFileFault;
  constructor(path: string, fault: SessionFileFault, detail: string, options?: ErrorOptions) {
    super(`${path}: ${detail}`, options);
    this.path = path;
    this.fault = fault;
  }
}

/** An invariant of Octavo itself does not hold. Always a bug; the message says which. */
export class IntegrityError extends OctavoError {
  readonly code = 'integrity';
}

/** A line of a recording that cannot be read. `line` counts from 1. */
export class RecordingFormatError extends OctavoError {
  readonly code = 'recording_format';
  readonly line: number;
  readonly problem: string;
  constructor(line: number, problem: string) {
    super(`line ${line} of the recording: ${problem}`);
    this.line = line;
    this.problem = problem;
  }
}
