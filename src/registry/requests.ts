import { checkReference, formatReference } from './reference.ts';
import type { Reference, Repository } from './reference.ts';
import { ACCEPTED_TYPES, MEDIA_TYPES } from './schema.ts';
import type { ApiRequest, Session } from './session.ts';

/** A part of a blob, in bytes. */
export interface Range {
  offset: number;
  length: number;
}

/** What a token may allow in a repository. DELETE asks for all three: registries disagree on which of them it needs. */
export function scope(repository: string, actions: 'pull' | 'pull,push' | 'delete,pull,push'): string {
  return `repository:${repository}:${actions}`;
}

/** Reads a manifest, by digest if the reference has one, else by tag. */
export function manifestRequest(session: Session, ref: Reference, method: 'GET' | 'HEAD'): ApiRequest {
  checkReference(ref);
  return {
    method,
    url: session.url(ref.registry, `${ref.repository}/manifests/${ref.digest ?? ref.tag ?? 'latest'}`),
    registry: ref.registry,
    subject: formatReference(ref),
    scopes: [scope(ref.repository, 'pull')],
    headers: { accept: ACCEPTED_TYPES.join(', ') },
    expect: [200],
    idempotent: true,
  };
}

/** Lists the manifests that name a digest as their subject. Registries without that answer 404, some 400 or 405. */
export function referrersRequest(session: Session, ref: Repository, digest: string): ApiRequest {
  checkReference({ ...ref, digest });
  return {
    method: 'GET',
    url: session.url(ref.registry, `${ref.repository}/referrers/${digest}`),
    registry: ref.registry,
    subject: `referrers of ${ref.registry}/${ref.repository}@${digest}`,
    scopes: [scope(ref.repository, 'pull')],
    headers: { accept: MEDIA_TYPES.ociIndex },
    expect: [200, 400, 404, 405, 501],
    idempotent: true,
  };
}

/** Reads a blob, or a range of it. */
export function blobRequest(
  session: Session,
  ref: Repository,
  digest: string,
  method: 'GET' | 'HEAD',
  range?: Range,
): ApiRequest {
  checkReference({ ...ref, digest });
  return {
    method,
    url: session.url(ref.registry, `${ref.repository}/blobs/${digest}`),
    registry: ref.registry,
    subject: `blob ${digest} of ${ref.registry}/${ref.repository}`,
    scopes: [scope(ref.repository, 'pull')],
    ...(range === undefined ? {} : { headers: { range: `bytes=${range.offset}-${range.offset + range.length - 1}` } }),
    expect: range === undefined ? [200] : [200, 206],
    idempotent: true,
  };
}
