import type { KubeClient } from '../kube/client.ts';
import { isForbidden } from '../kube/errors.ts';
import { events, pods, type Pod } from '../kube/resources.ts';
import type { Clock } from '../runtime/clock.ts';
import { DEADLINE_SECONDS, type NodeJob } from './learn-job.ts';

const POLL_MS = 500;

/** What waits for a container and does not get better by waiting. */
const HOPELESS = new Set([
  'ImagePullBackOff',
  'InvalidImageName',
  'CreateContainerConfigError',
  'CreateContainerError',
]);

/**
 * Waits until the Pod of a Job has ended, well or not.
 * @throws Error as soon as something is in its way, or at the Job's deadline, saying what to do
 */
export async function waitForEnd(
  client: KubeClient,
  clock: Pick<Clock, 'monotonic' | 'sleep'>,
  job: NodeJob,
  signal: AbortSignal,
): Promise<Pod> {
  const { namespace, node } = job;
  const deadline = clock.monotonic() + DEADLINE_SECONDS * 1000;
  let state = 'there is no Pod yet';
  while (clock.monotonic() < deadline) {
    const labelSelector = `batch.kubernetes.io/job-name=${job.name}`;
    const [pod] = (await client.list(pods, { namespace, labelSelector }, signal)).items;
    if (pod?.status?.phase === 'Succeeded' || pod?.status?.phase === 'Failed') {
      return pod;
    }
    const waiting = pod?.status?.containerStatuses?.[0]?.state?.waiting;
    state = pod === undefined ? state : `its Pod is ${waiting?.reason ?? pod.status?.phase}`;
    if (waiting?.reason !== undefined && HOPELESS.has(waiting.reason)) {
      throw new Error(`the Pod on ${node} cannot start: ${waiting.reason}: ${waiting.message}`);
    }
    const warning = await warningAbout(client, namespace, [job.name, pod?.metadata.name ?? ''], signal);
    if (warning !== undefined) {
      throw new Error(inWordsOfTheUser(warning, job));
    }
    await clock.sleep(POLL_MS, signal);
  }
  throw new Error(`the Job on ${node} did not end within ${DEADLINE_SECONDS} s: ${state}; is the node Ready?`);
}

interface Warning {
  readonly reason: string;
  readonly note: string;
}

/** What keeps a Job or its Pod from starting, as far as the user may read Events. */
async function warningAbout(
  client: KubeClient,
  namespace: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Warning | undefined> {
  try {
    const { items } = await client.list(events, { namespace, fieldSelector: 'type=Warning' }, signal);
    const found = items.find(
      ({ reason, regarding }) =>
        names.includes(regarding?.name ?? '') && (reason === 'FailedCreate' || reason === 'FailedMount'),
    );
    return found === undefined ? undefined : { reason: found.reason ?? '', note: found.note ?? '' };
  } catch (error) {
    if (isForbidden(error)) {
      return undefined;
    }
    throw error;
  }
}

function inWordsOfTheUser({ reason, note }: Warning, { namespace, node, files }: NodeJob): string {
  if (reason === 'FailedCreate') {
    return (
      `no Pod that sees files of its node may be created in the namespace ${namespace}: ${note}. Let the namespace's Pod ` +
      'Security level be privileged for the time, or use --records'
    );
  }
  const paths = files.map(({ path }) => path).join(', ');
  return (
    `${node} does not have ${paths}: ${note}. The node must run nydus-snapshotter with system.enable = true in its ` +
    'config.toml; where system.address is another, name it by --system-socket'
  );
}
