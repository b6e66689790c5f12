import { randomBytes } from 'node:crypto';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxRootfs, pushRootfs } from '../../../hack/cluster/images.ts';
import { REGISTRY } from '../../../hack/cluster/layout.ts';
import { execute } from '../../../hack/tools/process.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { deployments, horizontalPodAutoscalers, prefetchPolicies } from '../../../src/kube/resources.ts';
import type { Shape } from './shapes.ts';

export const NAMESPACE = 'default';
/** Label of the Pods of all workloads; its value names theirs. */
export const LABEL = 'scaleout';
export const PORT = 8080;
/** CPU that the autoscaler wants each Pod to use: half of what it requests. */
export const TARGET_CORES = 0.03;
/** What is in each image beside BusyBox, so that each has blobs of its own to warm. */
const OWN_BYTES = 16 * 1024 * 1024;
const BLOCKS = 1200;

/** Answers a request once it has moved some memory: CPU that is the same for each. */
const SCRIPT = `#!/bin/sh
dd if=/dev/zero of=/dev/null bs=64k count=${BLOCKS} 2>/dev/null
printf 'Content-Type: text/plain\\r\\n\\r\\ndone\\n'
`;

/** Puts a service that burns CPU for each request under an autoscaler and a PrefetchPolicy. */
export async function deploy(client: KubeClient, name: string, shape: Shape, start: Date): Promise<void> {
  const image = await pushImage(name);
  const labels = { [LABEL]: name };
  await client.create(deployments, {
    metadata: { namespace: NAMESPACE, name, labels },
    spec: {
      replicas: shape.minReplicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 0,
          automountServiceAccountToken: false,
          containers: [
            {
              name: 'service',
              image,
              command: ['httpd', '-f', '-p', String(PORT), '-h', '/www'],
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
      minReplicas: shape.minReplicas,
      maxReplicas: shape.minReplicas + 3,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      ],
    },
  });
  await client.create(prefetchPolicies, {
    metadata: { namespace: NAMESPACE, name },
    spec: { horizontalPodAutoscalerRef: { name }, triggers: { schedules: schedulesOf(shape, start) } },
  });
}

export async function remove(client: KubeClient, name: string): Promise<void> {
  const ref = { namespace: NAMESPACE, name };
  await client.delete(prefetchPolicies, ref);
  await client.delete(horizontalPodAutoscalers, ref);
  await client.delete(deployments, ref, { propagationPolicy: 'Foreground' });
}

/** A cron expression has minutes: the one that begins next before the time. */
function schedulesOf({ scheduledAt }: Shape, start: Date): object[] {
  if (scheduledAt === undefined) {
    return [];
  }
  const at = new Date(start.getTime() + scheduledAt * 1000);
  return [{ cron: `${at.getUTCMinutes()} ${at.getUTCHours()} * * *`, lead: '2m' }];
}

async function pushImage(name: string): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), 'slipstream-scaleouts-'));
  try {
    const root = join(work, 'root');
    await mkdir(join(root, 'www/cgi-bin'), { recursive: true });
    await writeFile(join(root, 'www/cgi-bin/work'), SCRIPT, { mode: 0o755 });
    await writeFile(join(root, 'data'), randomBytes(OWN_BYTES));
    const layer = join(work, 'own.tar');
    await execute('tar', ['--create', '--file', layer, '--directory', root, '--owner=0', '--group=0', '.']);
    const reference = `${REGISTRY}/scaleouts/${name}:1`;
    await pushRootfs(reference, [await busyboxRootfs(), layer]);
    return reference;
  } finally {
    await rm(work, { recursive: true });
  }
}
