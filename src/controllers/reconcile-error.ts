/**
 * What became of a step that could not do its work. The kind decides the retry, and only it:
 * - `stalled`: a person must act; not tried again before the object changes or its interval passes;
 * - `waiting`: not a failure of ours; tried again after `afterMs`;
 * - `transient`: tried again with exponential back-off.
 */
export class ReconcileError extends Error {
  override name = 'ReconcileError';
  readonly kind: 'stalled' | 'waiting' | 'transient';
  /** Reason for the conditions and the Event. */
  readonly reason: string;
  readonly afterMs: number | undefined;

  constructor(
    kind: ReconcileError['kind'],
    reason: string,
    message: string,
    options: { afterMs?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.reason = reason;
    this.afterMs = options.afterMs;
  }
}

export function stalled(reason: string, message: string, cause?: unknown): ReconcileError {
  return new ReconcileError('stalled', reason, message, { cause });
}

export function waiting(reason: string, message: string, afterMs: number, cause?: unknown): ReconcileError {
  return new ReconcileError('waiting', reason, message, { afterMs, cause });
}

export function transient(reason: string, message: string, cause?: unknown): ReconcileError {
  return new ReconcileError('transient', reason, message, { cause });
}
