import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import { REPLICATION_LABEL } from '../../api/v1alpha1/labels.ts';
import { KubeError } from '../../kube/errors.ts';
import type { Job } from '../../kube/resources.ts';
import { formatReference, InvalidReferenceError } from '../../registry/reference.ts';
import { ReplicateResult, type ReplicateSuccess } from '../../replication/result.ts';
import { formatBytes } from '../../api/v1alpha1/bytes.ts';
import { readProgress } from './conversion-job.ts';
import { remember } from './history.ts';
import { workerState } from './job-state.ts';
import type { Dependencies, Pass } from './pass.ts';
import { confirmCopy, verifyReplica } from './replica-check.ts';
import { attemptName, identifyCopy, tagsOfCopy, type CopyIdentity, type Replica } from './replica-identity.ts';
import { jobName, startCopy } from './replica-job.ts';
import { due, failed, type Step } from './replica-state.ts';
import type { ReplicaStatus } from './replication.ts';

const PROGRESS_INTERVAL_MS = 5000;

/**
 * Brings every region's copy of the current artifact into being and keeps an eye on it, side by side: none waits for another,
 * and none of what goes wrong with one is thrown.
 * @returns milliseconds until there is something to look at again.
 */
export async function reconcileReplicas(pass: Pass, deps: Dependencies): Promise<number> {
  const { image, status } = pass;
  const { artifact, source, replicas } = status;
  const wanted = image.spec.replicas ?? [];
  const before = new Map(replicas?.map((replica) => [replica.region, replica]));
  if (wanted.length === 0) {
    delete status.replicas;
    return Infinity;
  }
  if (artifact === undefined || artifact.sourceDigest !== source?.digest) {
    // What was copied before is of no use any more, and what is to be copied next is not there yet.
    status.replicas = wanted.flatMap(({ region }) => before.get(region) ?? []);
    return Infinity;
  }
  const starting: string[] = [];
  const steps = await Promise.all(
    wanted.map((replica) => reconcileReplica(replica, before.get(replica.region), { pass, deps, artifact, starting })),
  );
  status.replicas = steps.map((step) => step.status);
  return Math.min(Infinity, ...steps.flatMap(({ afterMs }) => afterMs ?? []));
}

interface Context {
  pass: Pass;
  deps: Dependencies;
  artifact: NonNullable<Pass['status']['artifact']>;
  /** Registries of the Jobs that this pass has made. */
  starting: string[];
}

async function reconcileReplica(replica: Replica, before: ReplicaStatus | undefined, context: Context): Promise<Step> {
  const { pass, deps, artifact } = context;
  const { region, repository } = replica;
  const { digest } = artifact;
  let copy: CopyIdentity;
  try {
    copy = identifyCopy(replica, pass.image.spec, artifact);
  } catch (error) {
    if (!(error instanceof InvalidReferenceError)) {
      throw error;
    }
    const { message } = error;
    return {
      status: { region, hash: '', image: repository, digest, state: 'Failed', reason: Reason.InvalidSpec, message },
    };
  }
  const known =
    before?.hash === copy.hash
      ? before
      : ({ region, hash: copy.hash, image: formatReference(copy.target), digest, state: 'Pending' } as const);
  try {
    return known.state === 'Ready' ? await confirmCopy(known, copy, pass, deps) : await advance(known, copy, context);
  } catch (error) {
    if (!(error instanceof KubeError)) {
      throw error;
    }
    return failed(known, Reason.ReplicationFailed, error.message, deps.clock.now());
  }
}

/** The next step of a copy that is not Ready. */
async function advance(known: ReplicaStatus, copy: CopyIdentity, context: Context): Promise<Step> {
  const { pass, deps, starting } = context;
  const now = deps.clock.now();
  const waitMs = due(known, now);
  if (waitMs > 0) {
    return { status: known, afterMs: waitMs };
  }
  const attempt = attemptName(known.hash, known.failures ?? 0);
  const job = deps.jobs.get(`${pass.image.metadata.namespace}/${jobName(attempt)}`);
  if (job === undefined) {
    return await startCopy(known, copy, attempt, { pass, deps, starting });
  }
  const pods = deps.pods
    .listNamespace(pass.image.metadata.namespace)
    .filter((pod) => pod.metadata?.labels?.[REPLICATION_LABEL] === attempt);
  const state = workerState<ReplicateSuccess>(job, pods, ReplicateResult, Reason.ReplicationFailed);
  switch (state.phase) {
    case 'Running':
      return await follow(known, job, state.pod, context);
    case 'Failed':
      return failed(known, state.reason, state.message, now);
    case 'Succeeded':
      pass.status.history = remember(pass.status.history ?? [], context.artifact, {
        names: tagsOfCopy(copy),
        made: state.result.made ?? [],
      });
      return await verifyReplica(known, copy, pass, deps);
  }
}

async function follow(
  { reason: _reason, message: before, retryAt: _retryAt, ...known }: ReplicaStatus,
  job: Job,
  pod: Parameters<typeof readProgress>[3],
  { pass, deps }: Context,
): Promise<Step> {
  const progress = await readProgress(pass, deps, 'replicate', pod);
  const message =
    progress === undefined
      ? known.state === 'Copying'
        ? before
        : undefined
      : `${formatBytes(progress.bytesDone)} of ${formatBytes(progress.bytesTotal)} are there`;
  return {
    status: {
      ...known,
      state: 'Copying',
      job: job.metadata.name,
      message: message ?? `Job ${job.metadata.name} is starting`,
    },
    afterMs: PROGRESS_INTERVAL_MS,
  };
}
