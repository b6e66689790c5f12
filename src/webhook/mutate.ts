import type { Logger } from 'pino';
import { decide, decideEphemeral, type Decision } from '../rewriting/decide.ts';
import type { RewriteIndex } from '../rewriting/index.ts';
import { ephemeralPatchOf, patchOf, type Operation } from '../rewriting/patch.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Hold } from './hold.ts';
import type { AdmissionMetrics, AdmissionOutcome } from './metrics.ts';
import type { Notify } from './notify.ts';
import { allow, parseReview, type AdmissionRequest, type AdmissionResponse } from './review.ts';

/** What the handler needs. */
export interface ReviewerOptions {
  readonly index: RewriteIndex;
  readonly clock: Clock;
  readonly metrics: AdmissionMetrics;
  readonly log: Logger;
  /** Told of each decision about a new Pod, once the answer is made; not of dry runs. */
  readonly notify: Notify;
  /** What has new Pods wait; without it none does. */
  readonly hold?: Hold | undefined;
  /** Told of each new Pod that is to wait; not of dry runs. */
  readonly held?: (() => void) | undefined;
}

/** The body of an AdmissionReview → the answer; undefined where not even a uid could be read. */
export type Reviewer = (body: string) => AdmissionResponse | undefined;

/** Reasons of the counter beside those of a decision. */
const AdmissionReason = {
  /** The request is of no kind that this webhook registers for. */
  NotHandled: 'NotHandled',
  /** The body is no AdmissionReview of admission.k8s.io/v1. */
  Unreadable: 'Unreadable',
  /** A fault of Slipstream's own; logged. */
  InternalError: 'InternalError',
} as const;

interface Answer {
  readonly decision: Decision | undefined;
  readonly patch: readonly Operation[];
}

/**
 * Makes the handler of admission requests: no I/O, total, and never a refusal. Whatever goes wrong, the answer is an allowed
 * one without a patch, so that no Pod fails to be created because of it.
 */
export function createReviewer({ index, clock, metrics, log, notify, hold, held }: ReviewerOptions): Reviewer {
  /** A Pod whose hold cannot be decided does not wait, and is rewritten all the same. */
  const gate = ({ decision }: Answer, request: AdmissionRequest, now: Date): readonly Operation[] => {
    if (hold === undefined || decision === undefined || request.operation !== 'CREATE') {
      return [];
    }
    try {
      const operations = hold(request.object, decision, request.namespace ?? '', now);
      if (operations.length > 0 && request.dryRun !== true) {
        held?.();
      }
      return operations;
    } catch (error) {
      log.error({ err: error, ...placeOf(request) }, 'cannot tell whether a Pod is to wait; it does not');
      return [];
    }
  };
  /** The answer stands, whatever becomes of this. */
  const tell = (decision: Decision, request: AdmissionRequest): void => {
    try {
      notify(decision, request.namespace ?? '');
    } catch (error) {
      log.error({ err: error, ...placeOf(request) }, 'cannot tell why a Pod stays as it is');
    }
  };
  return (body) => {
    const started = clock.monotonic();
    const observe = (outcome: AdmissionOutcome, reason: string): void =>
      metrics.observe(outcome, reason, (clock.monotonic() - started) / 1000);
    const { request, uid } = parseReview(body);
    if (request === undefined) {
      observe('error', AdmissionReason.Unreadable);
      log.warn({ uid, bytes: body.length }, 'an admission request could not be read; the Pod stays as it is');
      return uid === undefined ? undefined : allow(uid);
    }
    try {
      const now = clock.now();
      const answered = answer(request, index, now);
      const { decision, patch } = answered;
      const response = allow(request.uid, [...patch, ...gate(answered, request, now)]);
      observe(
        decision?.reason === 'Rewritten' ? 'rewritten' : 'skipped',
        decision?.reason ?? AdmissionReason.NotHandled,
      );
      if (decision?.named) {
        log.debug({ ...placeOf(request), reason: decision.reason, message: decision.message }, 'decided about a Pod');
      }
      if (decision !== undefined && request.operation === 'CREATE' && request.dryRun !== true) {
        tell(decision, request);
      }
      return response;
    } catch (error) {
      observe('error', AdmissionReason.InternalError);
      log.error({ err: error, ...placeOf(request) }, 'an admission request failed; the Pod stays as it is');
      return allow(request.uid);
    }
  };
}

function answer(request: AdmissionRequest, index: RewriteIndex, now: Date): Answer {
  const { operation, resource, subResource = '', namespace = '', object, oldObject } = request;
  if (resource.group !== '' || resource.resource !== 'pods') {
    return { decision: undefined, patch: [] };
  }
  if (subResource === '' && operation === 'CREATE') {
    const decision = decide(object, namespace, index, now);
    return { decision, patch: patchOf(decision) };
  }
  if (subResource === 'ephemeralcontainers' && operation === 'UPDATE') {
    const decision = decideEphemeral(object, oldObject, namespace, index, now);
    return { decision, patch: ephemeralPatchOf(decision) };
  }
  return { decision: undefined, patch: [] };
}

/** Which Pod it is, as far as it has a name yet. */
function placeOf({ uid, namespace, object }: AdmissionRequest): object {
  const { name, generateName } =
    (object as { metadata?: { name?: unknown; generateName?: unknown } } | null)?.metadata ?? {};
  return { uid, namespace, pod: name ?? generateName };
}
