import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, ClusterNode } from '../cluster/cluster.ts';
import { coldNode } from '../cluster/cold.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { RUNTIME_HANDLER_ANNOTATION } from '../../src/api/v1alpha1/labels.ts';
import { events, pods } from '../../src/kube/resources.ts';
import type { Pod } from '../../src/kube/resources.ts';
import { answersCorrectly } from './service.ts';
import type { Answer } from './service.ts';

const NAMESPACE = 'default';
const POLL_MS = 20;
const TIMEOUT_MS = 300_000;
const SETTLE_MS = 2000;
const SETTLED_BYTES = 64 * 1024;

/** One start of the service, from a node that has nothing of the image. */
export interface Start {
  /** Seconds from the creation of the Pod to the first correct answer. */
  readySeconds: number;
  /** Seconds that the kubelet says it pulled. */
  pullSeconds: number;
  /** Bytes that the registry sent meanwhile. */
  originBytes: number;
  /** Bytes that it had sent when it sent no more; not measured unless asked for. */
  settledBytes?: number;
  /** What the Pod ran. */
  image: string;
}

export interface StartOptions {
  client: KubeClient;
  cluster: Cluster;
  node: ClusterNode;
  name: string;
  image: string;
  /** False: the Pod opts out of rewriting and starts from the OCI image. */
  accelerated: boolean;
  expected: Answer;
  /** RuntimeClass for an image that is an artifact already. */
  runtimeClassName?: string;
  /** Also wait until the registry sends no more, as nydusd goes on fetching after the first answer. */
  settle?: boolean;
}

/** Empties the node, starts a Pod on it and waits for the first correct answer; takes the Pod away again. */
export async function timeStart(options: StartOptions): Promise<Start> {
  const { client, cluster, node, name, image, accelerated, expected, runtimeClassName, settle = false } = options;
  await coldNode(node);
  const before = await cluster.originBytes();
  const since = performance.now();
  const created = await client.create(pods, {
    metadata: {
      namespace: NAMESPACE,
      name,
      labels: accelerated ? {} : { 'slipstream.dev/rewrite': 'disabled' },
      ...(runtimeClassName === undefined ? {} : { annotations: { [RUNTIME_HANDLER_ANNOTATION]: runtimeClassName } }),
    },
    spec: {
      ...(runtimeClassName === undefined ? {} : { runtimeClassName }),
      nodeSelector: { 'kubernetes.io/hostname': node.name },
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      // With none, the object would go before the container, which the node could not be emptied of then.
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'inference', image }],
    },
  });
  try {
    const pod = await firstAnswer(client, created, expected);
    const readySeconds = (performance.now() - since) / 1000;
    const originBytes = (await cluster.originBytes()) - before;
    return {
      readySeconds,
      originBytes,
      pullSeconds: await pullSeconds(client, pod),
      ...(settle ? { settledBytes: (await settled(cluster)) - before } : {}),
      image: pod.spec?.containers[0]?.image ?? '',
    };
  } finally {
    await removePod(client, name);
  }
}

/** Bytes that the registry has sent when it sends nothing but keep-alives for a while. */
async function settled(cluster: Cluster): Promise<number> {
  for (let last = await cluster.originBytes(); ;) {
    await sleep(SETTLE_MS);
    const now = await cluster.originBytes();
    if (now - last < SETTLED_BYTES) {
      return now;
    }
    last = now;
  }
}

/** Waits with a watch: asking the API server all the time would cost the machine what is being measured. */
async function firstAnswer(client: KubeClient, created: Pod, expected: Answer): Promise<Pod> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const pod = await running(client, created, signal);
  while (!(await answersCorrectly(pod.status?.podIP ?? '', expected))) {
    if (signal.aborted) {
      throw new Error(`Pod ${pod.metadata.name} gave no correct answer within ${TIMEOUT_MS / 1000} s`);
    }
    await sleep(POLL_MS);
  }
  return pod;
}

/** The Pod, as soon as its container runs. Throws with what it is when it does not in time. */
async function running(client: KubeClient, created: Pod, signal: AbortSignal): Promise<Pod> {
  const { name, resourceVersion = '' } = created.metadata;
  const options = { namespace: NAMESPACE, fieldSelector: `metadata.name=${name}`, timeoutSeconds: TIMEOUT_MS / 1000 };
  let last = created;
  for await (const event of client.watch(pods, { ...options, resourceVersion }, signal)) {
    if (event.type === 'ADDED' || event.type === 'MODIFIED') {
      last = event.object;
      const { podIP, containerStatuses } = last.status ?? {};
      if (podIP !== undefined && containerStatuses?.[0]?.state?.running !== undefined) {
        return last;
      }
    }
  }
  throw new Error(`the container of Pod ${name} did not start: ${JSON.stringify(last.status)}`);
}

/** From the kubelet's own words: "Successfully pulled image "…" in 2.38s (2.38s including waiting). …". */
async function pullSeconds(client: KubeClient, pod: Pod): Promise<number> {
  const { items } = await client.list(events, { namespace: NAMESPACE, fieldSelector: 'reason=Pulled' });
  const note = items.find((event) => event.regarding?.uid === pod.metadata.uid)?.note ?? '';
  const [, minutes = '0', seconds, unit] = / in (?:(\d+)m)?([\d.]+)(ms|s)\b/.exec(note) ?? [];
  if (seconds === undefined) {
    throw new Error(`the kubelet does not say how long it pulled for ${pod.metadata.name}: ${JSON.stringify(note)}`);
  }
  return Number(minutes) * 60 + Number(seconds) / (unit === 'ms' ? 1000 : 1);
}

async function removePod(client: KubeClient, name: string): Promise<void> {
  await client.delete(pods, { namespace: NAMESPACE, name });
  for (let gone = false; !gone; await sleep(POLL_MS)) {
    gone = !(await client.list(pods, { namespace: NAMESPACE, fieldSelector: `metadata.name=${name}` })).items.length;
  }
}
