import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import { REPLICATION_LABEL } from '../../api/v1alpha1/labels.ts';
import { parseReference } from '../../registry/reference.ts';
import type { ReplicateRequest } from '../../replication/options.ts';
import { hasRoomForCopy } from './admission-queue.ts';
import { createJob, QUEUE_INTERVAL_MS, registryOptions } from './conversion-job.ts';
import type { Dependencies, Pass } from './pass.ts';
import type { CopyIdentity } from './replica-identity.ts';
import type { Step } from './replica-state.ts';
import type { ReplicaStatus } from './replication.ts';
import { workerJob } from './worker-job.ts';

const STARTED_MS = 5000;

/** Name of the Job of one attempt at a copy. */
export function jobName(attempt: string): string {
  return `slipstream-replicate-${attempt}`;
}

/** Makes the Job of a copy, if there is room for it. */
export async function startCopy(
  known: ReplicaStatus,
  copy: CopyIdentity,
  attempt: string,
  { pass, deps, starting }: { pass: Pass; deps: Dependencies; starting: string[] },
): Promise<Step> {
  const { reason: _reason, message: _message, retryAt: _retryAt, ...rest } = known;
  const { registry } = copy.target;
  if (!hasRoomForCopy(registry, deps.jobs.list(), starting, deps.config.conversion)) {
    return {
      status: { ...rest, state: 'Pending', reason: Reason.Queued, message: 'other copies come first' },
      afterMs: QUEUE_INTERVAL_MS,
    };
  }
  starting.push(registry);
  const hosts = copy.images.flatMap(({ from, to }) => [parseReference(from).registry, parseReference(to).registry]);
  const { refusedNetworks } = deps.config;
  const registries = registryOptions(deps.config, hosts);
  const request: ReplicateRequest = { images: copy.images, registries, refusedNetworks };
  const name = jobName(attempt);
  const job = workerJob(
    {
      image: pass.image,
      name,
      label: [REPLICATION_LABEL, attempt],
      registry,
      command: 'replicate',
      request,
      secrets: copy.secrets,
    },
    deps.config,
  );
  await createJob(pass, deps, job);
  return {
    status: { ...rest, state: 'Copying', job: name, message: `Job ${name} was created` },
    afterMs: STARTED_MS,
  };
}
