import { createHash } from 'node:crypto';
import type { AcceleratedImageSpec, AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { ownTag } from '../../converter/owntag.ts';
import { formatReference, parseReference } from '../../registry/reference.ts';
import type { Reference } from '../../registry/reference.ts';
import type { ReplicateRequest } from '../../replication/options.ts';
import { attestationTag, signatureTag } from '../../trust/cosign.ts';

export type Replica = NonNullable<AcceleratedImageSpec['replicas']>[number];
type Artifact = NonNullable<AcceleratedImageStatus['artifact']>;

/** The copy of one region: what is copied, to where, and with which Secrets of the namespace. */
export interface CopyIdentity {
  /** 20 hex digits. The same copy has the same, so that two regions, or two objects, that share it share its Job. */
  hash: string;
  /** The copy of the artifact, pinned. */
  target: Reference & { digest: string };
  images: ReplicateRequest['images'];
  /** By the role that they play for the worker. */
  secrets: Readonly<Record<'artifact' | 'source' | 'replica', string | undefined>>;
}

/**
 * What a region's copy is. The copies keep the tags of what they are copies of. Its hash changes with the artifact, the
 * place and the Secrets, so that a change of any of them is tried at once.
 * @throws InvalidReferenceError where the replica's repository is none.
 */
export function identifyCopy(replica: Replica, spec: AcceleratedImageSpec, artifact: Artifact): CopyIdentity {
  const { registry, repository } = parseReference(replica.repository);
  const { tag } = parseReference(artifact.image);
  const source = parseReference(spec.source.image);
  const sourceTag = source.tag ?? artifact.sourceDigest.replace(/^sha256:/, '').slice(0, 12);
  const to = (name: string | undefined): string =>
    formatReference({ registry, repository, ...(name === undefined ? {} : { tag: name }) });
  const own = tag === undefined ? {} : { ownTag: ownTag(tag, artifact.digest) };
  const images: CopyIdentity['images'] = [{ role: 'artifact', from: artifact.image, to: to(tag), ...own }];
  for (const { tag: name, digest } of signaturesOf(artifact)) {
    const { registry: host, repository: path } = parseReference(artifact.image);
    images.push({
      role: 'artifact',
      from: formatReference({ registry: host, repository: path, digest }),
      to: to(name),
    });
  }
  if (replica.source) {
    images.push({
      role: 'source',
      from: formatReference({ ...source, digest: artifact.sourceDigest }),
      to: to(sourceTag),
    });
  }
  const pullSecret = spec.source.pullSecretRef?.name;
  const targetSecret = spec.target.pushSecretRef?.name ?? pullSecret;
  const secrets = {
    artifact: targetSecret,
    source: replica.source ? pullSecret : undefined,
    replica: replica.pushSecretRef?.name ?? targetSecret,
  };
  const { digest } = artifact;
  return {
    hash: createHash('sha256')
      .update(JSON.stringify([images, secrets]))
      .digest('hex')
      .slice(0, 20),
    target: { registry, repository, ...(tag === undefined ? {} : { tag }), digest },
    images,
    secrets,
  };
}

/** Every tag that a copy has, `repository:tag`. */
export function tagsOfCopy({ images, target: { registry, repository } }: CopyIdentity): string[] {
  return images.flatMap(({ to, ownTag: own }) => [
    to,
    ...(own === undefined ? [] : [formatReference({ registry, repository, tag: own })]),
  ]);
}

/** What the operator signed an artifact with: where cosign looks for it, in whichever repository the artifact is. */
function signaturesOf({ digest, signature }: Artifact): { tag: string; digest: string }[] {
  return signature === undefined
    ? []
    : [
        { tag: signatureTag(digest), digest: signature.digest },
        { tag: attestationTag(digest), digest: signature.attestation },
      ];
}

/** Name of one attempt at a copy, for its Job and as its label. Attempts of their own names leave the logs of earlier ones. */
export function attemptName(hash: string, failures: number): string {
  return failures === 0 ? hash : `${hash}-${failures}`;
}

/** The hash of the copy that an attempt, see {@link attemptName}, is at. */
export function hashOf(attempt: string): string {
  return attempt.split('-')[0] ?? '';
}
