import pLimit from 'p-limit';
import type { ProgressMeter } from '../converter/progress.ts';
import type { Document } from '../registry/client.ts';
import { RegistryError } from '../registry/errors.ts';
import { formatReference, type Reference } from '../registry/reference.ts';
import { copyBlob, type Outcome } from './blob.ts';
import { explained, ReplicateError } from './errors.ts';
import { callOptions, type CopyJob } from './job.ts';
import type { Tree } from './tree.ts';

/** Blobs under way at once: each holds two pieces of 8 MiB in memory at most. */
const PARALLEL = 4;

/** What had to be done for the blobs of an image. */
export type Outcomes = Record<Outcome, number> & { bytesSent: number };

/**
 * Copies an image as it was read: blobs first, then the manifests, those that others name before these, and the tag last. So
 * a copy that fails, or is stopped, leaves the tag as it was, and the next one finds what this one brought.
 * @returns with what was done for the blobs, the tags that were not there before.
 * @throws ReplicateError
 */
export async function copyImage(
  tree: Tree,
  job: CopyJob,
  progress: ProgressMeter,
): Promise<Outcomes & { made: string[] }> {
  const outcomes = await copyBlobs(tree, job, progress);
  const { registry, repository } = job.to.reference;
  for (const child of tree.children) {
    await pushDocument(child, { registry, repository, digest: child.descriptor.digest }, job);
  }
  const own = job.ownTag === undefined ? [] : [{ registry, repository, tag: job.ownTag }];
  const made: string[] = [];
  for (const reference of [...own, job.to.reference]) {
    if (await pushDocument(tree.root, reference, job)) {
      made.push(formatReference(reference));
    }
  }
  await verifyTag(tree.root, job);
  return { ...outcomes, made };
}

/** The biggest ones start first, so that none of them runs alone at the end. The first failure stops all. */
async function copyBlobs({ blobs }: Tree, job: CopyJob, progress: ProgressMeter): Promise<Outcomes> {
  const limit = pLimit(PARALLEL);
  const failed = new AbortController();
  const signal = AbortSignal.any([job.signal, failed.signal]);
  const outcomes: Outcomes = { sent: 0, mounted: 0, there: 0, bytesSent: 0 };
  const copyOne = async (blob: Tree['blobs'][number]): Promise<void> => {
    signal.throwIfAborted();
    const outcome = await copyBlob(blob, { ...job, signal }, (bytes) => progress.layer(blob.digest, bytes));
    outcomes[outcome] += 1;
    outcomes.bytesSent += outcome === 'sent' ? blob.size : 0;
    progress.layerDone(blob.digest);
  };
  const ordered = blobs.toSorted((a, b) => b.size - a.size);
  await Promise.allSettled(ordered.map((blob) => limit(copyOne, blob).catch((error: unknown) => failed.abort(error))));
  signal.throwIfAborted();
  return outcomes;
}

/**
 * Pushes a manifest, unless the reference names it already.
 * @returns whether the reference named nothing before.
 */
async function pushDocument({ body, descriptor }: Document, reference: Reference, job: CopyJob): Promise<boolean> {
  const { registry, to } = job;
  const call = callOptions(to, job);
  return await explained(`push ${descriptor.digest} to ${formatReference(reference)}`, undefined, async () => {
    const there = await registry.resolve(reference, call).catch((error: unknown) => {
      if (error instanceof RegistryError && error.kind === 'NotFound') {
        return undefined;
      }
      throw error;
    });
    if (there?.digest !== descriptor.digest) {
      await registry.pushManifest(reference, body, descriptor.mediaType, call);
    }
    return there === undefined;
  });
}

async function verifyTag({ descriptor }: Document, job: CopyJob): Promise<void> {
  const name = formatReference(job.to.reference);
  const { digest } = await explained(`verify ${name}`, undefined, () =>
    job.registry.resolve(job.to.reference, callOptions(job.to, job)),
  );
  if (digest !== descriptor.digest) {
    throw new ReplicateError(
      'VerificationFailed',
      `${name} names ${digest} instead of ${descriptor.digest}, which was just pushed`,
      false,
    );
  }
}
