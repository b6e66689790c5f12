import { z } from 'zod';
import type { Operation } from '../rewriting/patch.ts';

/** Largest AdmissionReview that is read: an object of 3 MiB (etcd's limit with room), old and new, and what surrounds them. */
export const BODY_LIMIT = 7 * 1024 * 1024;

/** The parts of admission.k8s.io/v1 AdmissionRequest that are used; the objects are read by the rewriting itself. */
const AdmissionRequest = z.object({
  uid: z.string().min(1),
  operation: z.string(),
  resource: z.object({ group: z.string(), resource: z.string() }),
  subResource: z.string().optional(),
  namespace: z.string().optional(),
  object: z.unknown().optional(),
  oldObject: z.unknown().optional(),
  /** Nothing of it is stored, and nothing else may change because of it. */
  dryRun: z.boolean().optional(),
});
export type AdmissionRequest = z.infer<typeof AdmissionRequest>;

const AdmissionReview = z.object({ request: AdmissionRequest });

/** What is left to go by when the rest cannot be read: an answer needs the uid, or the API server does not take it. */
const Identified = z.object({ request: z.object({ uid: z.string().min(1) }) });

/** What came in: a request, the uid of one that cannot be read, or neither. */
export interface Parsed {
  readonly request?: AdmissionRequest;
  readonly uid?: string;
}

/** An AdmissionReview with a response, as it goes out. */
export interface AdmissionResponse {
  readonly apiVersion: 'admission.k8s.io/v1';
  readonly kind: 'AdmissionReview';
  readonly response: {
    readonly uid: string;
    readonly allowed: true;
    readonly patchType?: 'JSONPatch';
    /** JSON Patch, base64. */
    readonly patch?: string;
  };
}

/** Parses an AdmissionReview. Never throws. */
export function parseReview(body: string): Parsed {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return {};
  }
  const review = AdmissionReview.safeParse(json);
  if (review.success) {
    return { request: review.data.request, uid: review.data.request.uid };
  }
  const identified = Identified.safeParse(json);
  return identified.success ? { uid: identified.data.request.uid } : {};
}

/** The answer to a request: always allowed, with a patch where there is something to change. */
export function allow(uid: string, patch: readonly Operation[] = []): AdmissionResponse {
  const changes =
    patch.length === 0
      ? {}
      : { patchType: 'JSONPatch' as const, patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, allowed: true, ...changes } };
}
