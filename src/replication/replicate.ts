import type { Logger } from 'pino';
import type { Endpoint } from '../converter/job.ts';
import { progressMeter, type Progress } from '../converter/progress.ts';
import type { CredentialStore } from '../registry/auth.ts';
import type { RegistryClient } from '../registry/client.ts';
import { formatReference, parseReference } from '../registry/reference.ts';
import { copyImage } from './copy.ts';
import { failureOf, ReplicateError } from './errors.ts';
import type { CopyJob } from './job.ts';
import type { ReplicateRequest, Role } from './options.ts';
import type { ReplicateResult, ReplicateSuccess } from './result.ts';
import { readTree, type Tree } from './tree.ts';

const RETRY_DELAY_MS = 250;

/** What a copy works with. */
export interface ReplicateDependencies {
  registry: RegistryClient;
  credentials: Readonly<Partial<Record<Role | 'replica', CredentialStore | undefined>>>;
  log: Logger;
  /** Told at most once a second, and at the end. */
  onProgress: (progress: Progress) => void;
  /** Milliseconds before the first attempt to go on after a break. */
  retryDelay?: number;
  /** Monotonic milliseconds. */
  now?: () => number;
}

/**
 * Copies images from registry to registry, digest by digest, so that the copies are what the originals are. What is there
 * already is not sent again.
 * @param signal stops the copy; the result then is a failure worth another attempt.
 * @returns the failure as a result: it does not throw.
 */
export async function replicate(
  request: ReplicateRequest,
  dependencies: ReplicateDependencies,
  signal: AbortSignal,
): Promise<ReplicateResult> {
  try {
    return await run(request, dependencies, signal);
  } catch (error) {
    return failureOf(
      signal.aborted ? new ReplicateError('ReplicationFailed', 'the copy was stopped', false, error) : error,
    );
  }
}

async function run(
  { images }: ReplicateRequest,
  dependencies: ReplicateDependencies,
  signal: AbortSignal,
): Promise<ReplicateSuccess> {
  const { onProgress, now = () => performance.now() } = dependencies;
  const startedAt = now();
  const copies: { job: CopyJob; tree: Tree }[] = [];
  for (const image of images) {
    const job = jobOf(image, dependencies, signal);
    copies.push({ job, tree: await readTree(job) });
  }
  const sizes = copies.flatMap(({ tree }) => tree.blobs.map(({ digest, size }) => [digest, size] as const));
  const progress = progressMeter(new Map(sizes), onProgress, now);
  const blobs = { sent: 0, mounted: 0, there: 0 };
  const made: string[] = [];
  let bytesSent = 0;
  for (const { job, tree } of copies) {
    const outcomes = await copyImage(tree, job, progress);
    blobs.sent += outcomes.sent;
    blobs.mounted += outcomes.mounted;
    blobs.there += outcomes.there;
    bytesSent += outcomes.bytesSent;
    made.push(...outcomes.made);
  }
  progress.finish();
  return {
    ok: true,
    images: copies.map(({ job, tree }) => formatReference({ ...job.to.reference, ...digestOf(tree) })),
    made,
    blobs,
    bytesSent,
    took: Math.round(now() - startedAt),
  };
}

function jobOf(
  { role, from, to, ownTag }: ReplicateRequest['images'][number],
  { registry, credentials, retryDelay = RETRY_DELAY_MS, log }: ReplicateDependencies,
  signal: AbortSignal,
): CopyJob {
  const job = {
    registry,
    role,
    from: endpoint(from, credentials[role]),
    to: endpoint(to, credentials.replica),
    ownTag,
    retryDelay,
    log,
    signal,
  };
  if (job.from.reference.digest === undefined) {
    throw new ReplicateError('InvalidSpec', `${from} cannot be copied: give it by digest`, true);
  }
  if (job.to.reference.tag === undefined || job.to.reference.digest !== undefined) {
    throw new ReplicateError('InvalidSpec', `${to} cannot be pushed to: give it a tag and no digest`, true);
  }
  return job;
}

function endpoint(image: string, credentials: CredentialStore | undefined): Endpoint {
  const reference = parseReference(image);
  return { reference, credentials: credentials?.lookup(reference.registry, reference.repository) };
}

function digestOf({ root }: Tree): { digest: string } {
  return { digest: root.descriptor.digest };
}
