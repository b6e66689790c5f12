import { setTimeout as sleep } from 'node:timers/promises';
import type { PrefetchPolicy } from '../../src/api/v1alpha1/prefetchpolicy.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { deployments, pods, prefetchPolicies } from '../../src/kube/resources.ts';
import type { Deployment, Pod } from '../../src/kube/resources.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { cpuSecondsPerRequest, sendRamp } from './load.ts';

const NAMESPACE = 'default';
const NAME = 'inference';
const POLL_MS = 100;
const RAMP_SECONDS = 150;
const SETTLE_MS = 300_000;
/** CPU that the HorizontalPodAutoscaler wants each Pod to use: 60 % of 200m. */
const TARGET_CORES = 0.12;

/** When each thing happened, in milliseconds since the epoch, as it was first seen. */
export interface ScaleOut {
  loadStarted: number;
  thresholdPassed: number;
  warmStarted: number;
  warmVerified: number;
  autoscalerDecided: number;
  firstPodCreated: number;
  podsReady: number;
  /** Pods that were added, and the nodes they are on. */
  newPods: { name: string; node: string; image: string }[];
  /** Bytes that the registry sent from the decision until the new Pods were Ready. */
  originBytesAfterDecision: number;
  /** What the policy says of it. */
  policy: PrefetchPolicy;
}

/** Drives a rising load on the service until its autoscaler adds Pods and they are Ready; watches what happens when. */
export async function driveScaleOut(client: KubeClient, cluster: Cluster): Promise<ScaleOut> {
  const before = new Set((await listPods(client)).map(nameOf));
  const addresses = async (): Promise<string[]> =>
    (await listPods(client)).filter(isReady).flatMap((pod) => pod.status?.podIP ?? []);
  let targets = await addresses();
  const cost = await cpuSecondsPerRequest(targets[0] ?? '');
  const atTarget = TARGET_CORES / cost;
  const load = new AbortController();
  const loadStarted = Date.now();
  const sending = sendRamp({
    from: atTarget * 0.75,
    to: atTarget * 2.25,
    seconds: RAMP_SECONDS,
    addresses: () => targets,
    signal: load.signal,
  });
  const seen: Partial<Pick<ScaleOut, 'autoscalerDecided' | 'firstPodCreated' | 'podsReady'>> = {};
  let originBefore = 0;
  try {
    while (seen.podsReady === undefined) {
      if (Date.now() - loadStarted > SETTLE_MS) {
        throw new Error(`the autoscaler added no Pod within ${SETTLE_MS / 1000} s of rising load`);
      }
      const [deployment, current] = await Promise.all([
        client.get(deployments, { namespace: NAMESPACE, name: NAME }),
        listPods(client),
      ]);
      targets = current.filter(isReady).flatMap((pod) => pod.status?.podIP ?? []);
      const added = current.filter((pod) => !before.has(nameOf(pod)));
      if (seen.autoscalerDecided === undefined && wanted(deployment) > before.size) {
        seen.autoscalerDecided = Date.now();
        originBefore = await cluster.originBytes();
      }
      if (seen.firstPodCreated === undefined && added.length > 0) {
        seen.firstPodCreated = Date.now();
        seen.autoscalerDecided ??= seen.firstPodCreated;
      }
      if (added.length > 0 && added.length + before.size >= wanted(deployment) && added.every(isReady)) {
        seen.podsReady = Date.now();
      }
      await sleep(POLL_MS);
    }
  } finally {
    load.abort();
    await sending;
  }
  const originAfter = await cluster.originBytes();
  const added = (await listPods(client)).filter((pod) => !before.has(nameOf(pod)));
  const policy = await client.get(prefetchPolicies, { namespace: NAMESPACE, name: NAME });
  const { at, warmStartedAt, warmVerifiedAt } = policy.status?.decision ?? {};
  return {
    loadStarted,
    thresholdPassed: time(at),
    warmStarted: time(warmStartedAt),
    warmVerified: time(warmVerifiedAt),
    autoscalerDecided: seen.autoscalerDecided ?? Number.NaN,
    firstPodCreated: seen.firstPodCreated ?? Number.NaN,
    podsReady: seen.podsReady,
    newPods: added.map((pod) => ({
      name: nameOf(pod),
      node: pod.spec?.nodeName ?? '',
      image: pod.spec?.containers[0]?.image ?? '',
    })),
    originBytesAfterDecision: originAfter - originBefore,
    policy,
  };
}

function wanted(deployment: Deployment): number {
  return deployment.spec?.replicas ?? 0;
}

function nameOf(pod: Pod): string {
  return pod.metadata.name;
}

async function listPods(client: KubeClient): Promise<Pod[]> {
  const { items } = await client.list(pods, { namespace: NAMESPACE, labelSelector: `app=${NAME}` });
  return items.filter((pod) => pod.metadata.deletionTimestamp === undefined);
}

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}

function time(text: string | undefined): number {
  return text === undefined ? Number.NaN : new Date(text).getTime();
}
