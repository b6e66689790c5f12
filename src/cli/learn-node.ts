import { randomBytes } from 'node:crypto';
import type { KubeClient } from '../kube/client.ts';
import { isForbidden } from '../kube/errors.ts';
import { deployments, jobs } from '../kube/resources.ts';
import { AgentAnswer, type AgentRequest } from '../learn/agent.ts';
import { parseJson } from '../learn/json.ts';
import type { Recording } from '../learn/recording.ts';
import type { Clock } from '../runtime/clock.ts';
import { AGENT, nodeJob, type HostFile, type NodeJob } from './learn-job.ts';
import type { LearnTarget } from './learn-target.ts';
import { waitForEnd } from './learn-wait.ts';
import { needed, type Reader } from './reader.ts';

const CLEANUP_MS = 10_000;
/** The answer of a node has a line of some 100 bytes for each file. */
const ANSWER_MAX_BYTES = 8 * 2 ** 20;

/** Where the Job's files are in its container. */
const HOST = '/host';

/** The operator, whose namespace and image the Jobs run in and from. */
export interface Operator {
  readonly namespace: string;
  readonly name: string;
}

export interface NodeOptions {
  readonly client: KubeClient;
  readonly reader: Reader;
  readonly clock: Pick<Clock, 'monotonic' | 'sleep'>;
  readonly operator: Operator;
  /** Path of nydus-snapshotter's system socket on the node. */
  readonly systemSocket: string;
}

/**
 * Fetches from its node what was read of a container's image, by two Jobs: the first asks nydus-snapshotter which nydusd it
 * is, so that the second sees nothing but that one's socket and the image's tree.
 * @throws Error saying what was not there or not allowed, and what to do
 */
export async function fetchRecording(
  { node, image }: LearnTarget,
  options: NodeOptions,
  signal: AbortSignal,
): Promise<Recording> {
  const base = { ...(await readOperator(options.reader, options.operator)), node };
  const system: HostFile = { path: options.systemSocket, type: 'Socket', at: `${HOST}/system.sock` };
  const found = await ask(
    { ...base, request: { do: 'find', socket: system.at, image }, files: [system] },
    options,
    signal,
  );
  if (!('mounted' in found)) {
    throw unexpected(node);
  }
  const { socket, instance, bootstrap } = found.mounted;
  const api: HostFile = { path: socket, type: 'Socket', at: `${HOST}/nydusd.sock` };
  const tree: HostFile = { path: bootstrap, type: 'File', at: `${HOST}/image.boot` };
  const request: AgentRequest = { do: 'read', socket: api.at, instance, bootstrap: tree.at };
  const read = await ask({ ...base, request, files: [api, tree] }, options, signal);
  if (!('recording' in read)) {
    throw unexpected(node);
  }
  return read.recording;
}

type OperatorFacts = Pick<NodeJob, 'namespace' | 'image' | 'imagePullSecrets'>;

async function readOperator(reader: Reader, { namespace, name }: Operator): Promise<OperatorFacts> {
  const found = await needed(`get deployment ${name} in namespace ${namespace}`, (gap) =>
    reader.get(deployments, { namespace, name }, gap),
  );
  const spec = found === 'Missing' ? undefined : found.spec?.template.spec;
  const image = spec?.containers[0]?.image;
  if (image === undefined) {
    throw new Error(
      `there is no Deployment ${namespace}/${name} of the operator: name the namespace and the release that Slipstream is ` +
        'installed as with --operator-namespace and --operator-name',
    );
  }
  return { namespace, image, imagePullSecrets: spec?.imagePullSecrets ?? [] };
}

/** Runs a Job on a node and gives its answer. The Job is gone afterwards, however this ends. */
async function ask(
  work: Omit<NodeJob, 'name'>,
  { client, clock }: NodeOptions,
  signal: AbortSignal,
): Promise<Exclude<AgentAnswer, { error: string }>> {
  const job = { ...work, name: `slipstream-learn-${randomBytes(5).toString('hex')}` };
  await createJob(client, job, signal);
  try {
    const { metadata, status } = await waitForEnd(client, clock, job, signal);
    if (status?.phase === 'Failed') {
      const said = status.containerStatuses?.[0]?.state?.terminated?.message;
      throw new Error(`the Pod on ${job.node} failed: ${status.message ?? said ?? status.reason}`);
    }
    const ref = { namespace: job.namespace, name: metadata.name };
    const log = await client.podLogs(ref, { container: AGENT, limitBytes: ANSWER_MAX_BYTES }, signal);
    const answer = AgentAnswer.safeParse(parseJson(log.trimEnd().split('\n').at(-1) ?? '')).data;
    if (answer === undefined) {
      throw unexpected(job.node);
    }
    if ('error' in answer) {
      throw new Error(`${job.node}: ${inWordsOfTheNode(answer.error, job.files)}`);
    }
    return answer;
  } finally {
    // Its own time limit: it must be deleted too when the signal is what ended this. If it cannot be, its TTL does it.
    const ref = { namespace: job.namespace, name: job.name };
    const late = AbortSignal.timeout(CLEANUP_MS);
    await client.delete(jobs, ref, { propagationPolicy: 'Background' }, late).catch(() => undefined);
  }
}

async function createJob(client: KubeClient, job: NodeJob, signal: AbortSignal): Promise<void> {
  try {
    await client.create(jobs, nodeJob(job), signal);
  } catch (error) {
    if (isForbidden(error)) {
      throw new Error(
        `${error.message}. To learn from a running Pod you must be allowed to create Jobs in the namespace ${job.namespace}; ` +
          'without that, ask for a records file and use --records',
        { cause: error },
      );
    }
    throw error;
  }
}

/** Puts the node's paths into a message, for those that the container has for them. */
function inWordsOfTheNode(message: string, files: readonly HostFile[]): string {
  return files.reduce((text, { at, path }) => text.replaceAll(at, path), message);
}

function unexpected(node: string): Error {
  return new Error(`the Job on ${node} gave no answer to the question: use the command of the operator's version`);
}
