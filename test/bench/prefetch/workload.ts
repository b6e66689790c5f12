import type { KubeClient } from '../../../src/kube/client.ts';
import { deployments, horizontalPodAutoscalers, pods, prefetchPolicies } from '../../../src/kube/resources.ts';
import type { Pod } from '../../../src/kube/resources.ts';
import { until } from '../../support/until.ts';
import { PORT } from './service.ts';

export const NAMESPACE = 'default';
/** Label of the Pods of all workloads; its value names theirs. */
export const LABEL = 'scaleout';
/** CPU that the autoscaler wants each Pod to use: half of what it requests. */
export const TARGET_CORES = 0.03;

/** A service under an autoscaler. */
export interface Workload {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly podAnnotations?: Readonly<Record<string, string>>;
  /** What its Pods have beside the container. */
  readonly podSpec?: object;
  /** What a PrefetchPolicy says of it beside its target; none when absent. */
  readonly policy?: object;
}

/** Deploys a service that burns CPU for each request, its autoscaler and its policy. */
export async function deploy(client: KubeClient, workload: Workload): Promise<void> {
  const { name, image, command, minReplicas, maxReplicas, podAnnotations = {}, podSpec = {}, policy } = workload;
  const labels = { [LABEL]: name };
  await client.create(deployments, {
    metadata: { namespace: NAMESPACE, name, labels },
    spec: {
      replicas: minReplicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: podAnnotations },
        spec: {
          ...podSpec,
          terminationGracePeriodSeconds: 0,
          automountServiceAccountToken: false,
          containers: [
            {
              name: 'service',
              image,
              command,
              readinessProbe: { tcpSocket: { port: PORT }, periodSeconds: 1 },
              resources: { requests: { cpu: `${TARGET_CORES * 2000}m` } },
            },
          ],
        },
      },
    },
  });
  await client.create(horizontalPodAutoscalers, {
    metadata: { namespace: NAMESPACE, name },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      minReplicas,
      maxReplicas,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      ],
    },
  });
  if (policy !== undefined) {
    await client.create(prefetchPolicies, {
      metadata: { namespace: NAMESPACE, name },
      spec: { ...policy, horizontalPodAutoscalerRef: { name } },
    });
  }
}

/** Takes away what {@link deploy} made. */
export async function remove(client: KubeClient, { name, policy }: Workload): Promise<void> {
  const ref = { namespace: NAMESPACE, name };
  if (policy !== undefined) {
    await client.delete(prefetchPolicies, ref);
  }
  await client.delete(horizontalPodAutoscalers, ref);
  await client.delete(deployments, ref, { propagationPolicy: 'Foreground' });
}

/** Resolves when no workload is left. */
export async function allGone(client: KubeClient): Promise<void> {
  const where = { namespace: NAMESPACE, labelSelector: LABEL };
  await until('the services are gone', async () => (await client.list(pods, where)).items.length === 0);
}

export function isReady(pod: Pod): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  );
}
