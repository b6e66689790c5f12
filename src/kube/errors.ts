import { z } from 'zod';

/** Bytes of an error's body that are read: a Status is far smaller. */
export const ERROR_BODY_LIMIT = 64 * 1024;

/** Characters of an answer that is no Status that go into the message. */
const EXCERPT = 200;

/** The parts of metav1.Status that are used. */
const Status = z.object({
  kind: z.literal('Status'),
  code: z.int().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  details: z.object({ retryAfterSeconds: z.int().optional() }).optional(),
});

/** What an error answer holds beside its message. */
export interface KubeErrorOptions {
  /** HTTP status. */
  code: number;
  /** `reason` of the Status, such as `NotFound`; `Unknown` where the answer was none. */
  reason: string;
  /** Milliseconds after which the server wants to be asked again. */
  retryAfter?: number | undefined;
}

/** The API server answered with an error: branch on `code` and `reason`, never on the message. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly code: number;
  readonly reason: string;
  /** Milliseconds, on 429 and 5xx that say so. */
  readonly retryAfter: number | undefined;

  constructor(message: string, { code, reason, retryAfter }: KubeErrorOptions) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.retryAfter = retryAfter;
  }
}

/** No usable answer came: not connected, cut off, timed out, or not what the API speaks. Worth trying again. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
}

/** Whether the object (or the whole kind) does not exist. */
export function isNotFound(error: unknown): error is KubeError {
  return error instanceof KubeError && error.code === 404;
}

/** Whether the object has changed since it was read: read it again. A field manager conflict of apply counts too. */
export function isConflict(error: unknown): error is KubeError {
  return error instanceof KubeError && error.code === 409 && error.reason !== 'AlreadyExists';
}

/** Whether RBAC, or an admission plugin, refused. */
export function isForbidden(error: unknown): error is KubeError {
  return error instanceof KubeError && error.code === 403;
}

/** Whether an object of that name is there already. */
export function isAlreadyExists(error: unknown): error is KubeError {
  return error instanceof KubeError && error.code === 409 && error.reason === 'AlreadyExists';
}

/**
 * The error that an answer stands for.
 * @param what the call, such as `GET /api/v1/pods`
 * @param body the first {@link ERROR_BODY_LIMIT} bytes of the answer
 * @param retryAfterHeader RFC 9110 §10.2.3: seconds, or a date
 * @param now milliseconds since the epoch, which a date is measured from
 */
export function kubeErrorOf(
  what: string,
  code: number,
  body: string,
  retryAfterHeader: string | undefined,
  now: number,
): KubeError {
  const status = parseStatus(body);
  const text = status?.message ?? excerpt(body);
  const seconds = status?.details?.retryAfterSeconds;
  const retryAfter = parseRetryAfter(retryAfterHeader, now) ?? (seconds === undefined ? undefined : seconds * 1000);
  return new KubeError(`${what}: the API server answered ${code}${text === '' ? '' : `: ${text}`}`, {
    code,
    reason: status?.reason ?? 'Unknown',
    retryAfter: code === 429 || code >= 500 ? retryAfter : undefined,
  });
}

/** The Status in a body, or undefined where it is none: proxies and load balancers answer for the API server too. */
export function parseStatus(body: string): z.infer<typeof Status> | undefined {
  try {
    return Status.safeParse(JSON.parse(body)).data;
  } catch {
    // Not JSON: such as an HTML page of a load balancer.
    return undefined;
  }
}

function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) {
    return undefined;
  }
  if (/^\d+$/.test(header)) {
    return Number(header) * 1000;
  }
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function excerpt(body: string): string {
  return body.slice(0, EXCERPT).replaceAll(/\s+/g, ' ').trim();
}
