import type { X509Certificate } from 'node:crypto';
import { AUTHORITY_LIFE_MS, BACKDATE_MS, createAuthority, issueServing, SERVING_LIFE_MS } from './authority.ts';
import { fitsKey, readCertificate, type SecretContents } from './contents.ts';

/**
 * What to do about the certificates.
 * - `create`: a new authority and a serving certificate, as nothing there can be gone on with.
 * - `rotate-ca`: a new authority beside the old one; the serving certificate stays until API servers know both.
 * - `issue-leaf`: a new serving certificate of the current authority.
 */
export type Action = 'keep' | 'create' | 'rotate-ca' | 'issue-leaf';

/** What to do, and when to look again. */
export interface Plan {
  readonly action: Action;
  /** For a person: why. */
  readonly reason: string;
  /** When something will be due if nothing changes; only with `keep`. */
  readonly dueAt?: Date;
}

/** A certificate is replaced when less than a third of its life is left, as cert-manager does. */
const RENEW_AT_LEFT = 1 / 3;

/** Time in which every API server has seen a changed caBundle, before anything is signed by a new authority alone. */
export const PROPAGATION_MS = 10 * 60 * 1000;

/**
 * Decides about the certificates in the Secret.
 * @param contents what the Secret holds; undefined while it does not exist
 * @param dnsNames the names that the serving certificate has to be good for
 */
export function plan(now: Date, contents: SecretContents | undefined, dnsNames: readonly string[]): Plan {
  const authority = contents === undefined ? undefined : readCertificate(contents.bundle[0] ?? '');
  if (contents === undefined || authority === undefined) {
    return { action: 'create', reason: 'there is no authority yet' };
  }
  if (!fitsKey(authority, contents.authorityKey)) {
    return { action: 'create', reason: "the authority's key does not belong to its certificate" };
  }
  if (isOver(authority, now)) {
    return { action: 'create', reason: 'the authority has expired' };
  }
  const serving = readCertificate(contents.cert);
  const defect = serving === undefined ? 'there is no serving certificate' : defectOf(serving, contents, dnsNames, now);
  if (serving === undefined || defect !== undefined) {
    return { action: 'issue-leaf', reason: defect ?? '' };
  }
  if (now >= renewalOf(authority, AUTHORITY_LIFE_MS)) {
    return { action: 'rotate-ca', reason: `the authority expires at ${authority.validTo}` };
  }
  const ofCurrent = isIssuedBy(serving, authority);
  const usableAt = new Date(Date.parse(authority.validFrom) + BACKDATE_MS + PROPAGATION_MS);
  if (!ofCurrent && now >= usableAt) {
    return { action: 'issue-leaf', reason: 'the serving certificate is of the authority before' };
  }
  const servingRenewal = renewalOf(serving, SERVING_LIFE_MS);
  if (ofCurrent && now >= servingRenewal) {
    return { action: 'issue-leaf', reason: `the serving certificate expires at ${serving.validTo}` };
  }
  const next = ofCurrent ? servingRenewal : usableAt;
  return { action: 'keep', reason: 'nothing is due', dueAt: earliest(next, renewalOf(authority, AUTHORITY_LIFE_MS)) };
}

/**
 * Carries out an action: what the Secret is to hold then. Authorities before the current one stay in the bundle until they
 * expire, since what they signed may still be served; their keys are gone.
 */
export async function renew(
  action: Exclude<Action, 'keep'>,
  contents: SecretContents | undefined,
  dnsNames: readonly string[],
  now: Date,
): Promise<SecretContents> {
  const kept = (contents?.bundle ?? []).filter((pem) => {
    const certificate = readCertificate(pem);
    return certificate !== undefined && !isOver(certificate, now);
  });
  const [current] = kept;
  if (action === 'issue-leaf' && contents !== undefined && current !== undefined) {
    const serving = await issueServing({ cert: current, key: contents.authorityKey }, dnsNames, now);
    return { ...contents, bundle: kept, ...serving };
  }
  const authority = await createAuthority(now);
  const next = { bundle: [authority.cert, ...kept], authorityKey: authority.key };
  if (action === 'rotate-ca' && contents !== undefined) {
    return { ...next, cert: contents.cert, key: contents.key };
  }
  return { ...next, ...(await issueServing(authority, dnsNames, now)) };
}

/** What keeps a certificate from being served at all. */
function defectOf(
  serving: X509Certificate,
  { bundle, key }: SecretContents,
  dnsNames: readonly string[],
  now: Date,
): string | undefined {
  if (!fitsKey(serving, key)) {
    return 'the key of the serving certificate does not belong to it';
  }
  if (isOver(serving, now)) {
    return 'the serving certificate has expired';
  }
  const missing = dnsNames.find((name) => serving.checkHost(name, { subject: 'never' }) === undefined);
  if (missing !== undefined) {
    return `the serving certificate is not for ${missing}`;
  }
  const trusted = bundle.some((pem) => {
    const authority = readCertificate(pem);
    return authority !== undefined && !isOver(authority, now) && isIssuedBy(serving, authority);
  });
  return trusted ? undefined : 'no authority of the bundle signed the serving certificate';
}

function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

function isOver(certificate: X509Certificate, now: Date): boolean {
  return now >= certificate.validToDate;
}

function renewalOf(certificate: X509Certificate, lifeMs: number): Date {
  return new Date(certificate.validToDate.getTime() - lifeMs * RENEW_AT_LEFT);
}

function earliest(left: Date, right: Date): Date {
  return left < right ? left : right;
}
