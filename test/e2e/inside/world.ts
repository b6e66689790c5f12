import assert from 'node:assert/strict';
import type { AcceleratedImage } from '../../../src/api/v1alpha1/acceleratedimage.ts';
import { RUNTIME_HANDLER_ANNOTATION } from '../../../src/api/v1alpha1/labels.ts';
import { loadKubeClient, type KubeClient } from '../../../src/kube/client.ts';
import { isNotFound } from '../../../src/kube/errors.ts';
import { acceleratedImages, leases, pods, type Pod } from '../../../src/kube/resources.ts';
import { openCluster, type Cluster } from '../../../hack/cluster/cluster.ts';
import { BUSYBOX_IMAGE, REGISTRY } from '../../../hack/cluster/layout.ts';
import { installSlipstream } from '../../../hack/cluster/slipstream.ts';
import { createProgress } from '../../../hack/tools/progress.ts';
import { until } from '../../support/until.ts';

export const OPERATOR_NAMESPACE = 'slipstream-system';
export const namespace = 'default';
export { BUSYBOX_IMAGE, REGISTRY, until };

/** The cluster that these tests run in, with Slipstream installed. */
export interface World {
  cluster: Cluster;
  client: KubeClient;
}

/** Opens the cluster and installs Slipstream, unless another file has. */
export async function openWorld(): Promise<World> {
  await installSlipstream(createProgress());
  return { cluster: await openCluster(), client: loadKubeClient({ userAgent: 'slipstream-e2e' }) };
}

/** Applies an AcceleratedImage and waits until it is Ready and Pods are rewritten: each replica learns of it by a watch of its own. */
export async function accelerate(
  world: World,
  name: string,
  image: string,
  conversion: Partial<AcceleratedImage['spec']['conversion']> = {},
): Promise<AcceleratedImage> {
  await world.client.apply(
    acceleratedImages,
    { metadata: { namespace, name }, spec: { source: { image }, conversion } },
    { fieldManager: 'e2e' },
  );
  const accelerated = await ready(world, name);
  await until(`Pods of ${image} are rewritten`, () => isRewritten(world, image));
  return accelerated;
}

export async function ready({ client }: Pick<World, 'client'>, name: string): Promise<AcceleratedImage> {
  let image: AcceleratedImage | undefined;
  await until(`AcceleratedImage ${name} is Ready`, async () => {
    image = await client.get(acceleratedImages, { namespace, name });
    const condition = image.status?.conditions?.find(({ type }) => type === 'Ready');
    assert.equal(condition?.status, 'True', `${condition?.reason}: ${condition?.message}`);
    return true;
  });
  assert.ok(image);
  return image;
}

export interface PodOptions {
  image: string;
  command?: string[];
  labels?: Record<string, string>;
  node?: string;
  /** For an image that is an artifact already. */
  runtimeClassName?: string;
  /** What the Pod is given to end, 0 by default. */
  graceSeconds?: number;
}

/** Creates a Pod as a user would, and gives it as it was admitted. */
export async function createPod(
  { client }: World,
  name: string,
  { image, command, labels, node, runtimeClassName, graceSeconds = 0 }: PodOptions,
): Promise<Pod> {
  return await client.create(pods, {
    metadata: {
      namespace,
      name,
      ...(labels === undefined ? {} : { labels }),
      ...(runtimeClassName === undefined ? {} : { annotations: { [RUNTIME_HANDLER_ANNOTATION]: runtimeClassName } }),
    },
    spec: {
      restartPolicy: 'Never',
      ...(runtimeClassName === undefined ? {} : { runtimeClassName }),
      terminationGracePeriodSeconds: graceSeconds,
      automountServiceAccountToken: false,
      ...(node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': node } }),
      containers: [{ name: 'main', image, ...(command === undefined ? {} : { command }) }],
    },
  });
}

/** Whether a Pod of this image would be rewritten now, on this node if any, webhooks and all; rejects when the API server refuses it. */
export async function isRewritten({ client }: World, image = BUSYBOX_IMAGE, node?: string): Promise<boolean> {
  const body = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: 'asked-' },
    spec: {
      ...(node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': node } }),
      containers: [{ name: 'main', image }],
    },
  };
  const admitted = await client.raw('POST', `/api/v1/namespaces/${namespace}/pods`, {
    query: { dryRun: 'All' },
    body,
  });
  return admitted.includes('-nydus@sha256:');
}

/** Waits until a Pod has ended, and gives its log; throws when it failed. */
export async function output({ client }: World, name: string): Promise<string> {
  await until(`Pod ${name} has ended`, async () => {
    const { status } = await client.get(pods, { namespace, name });
    assert.notEqual(status?.phase, 'Failed', JSON.stringify(status?.containerStatuses));
    return status?.phase === 'Succeeded';
  });
  return await client.podLogs({ namespace, name }, {});
}

export async function removePod({ client }: World, name: string): Promise<void> {
  await client.delete(pods, { namespace, name });
  await until(`Pod ${name} is gone`, async () => {
    return await client.get(pods, { namespace, name }).then(() => false, isNotFound);
  });
}

/** Name of the Pod that leads. */
export async function leader({ client }: World): Promise<string> {
  const lease = await client.get(leases, { namespace: OPERATOR_NAMESPACE, name: 'slipstream' });
  return lease.spec?.holderIdentity ?? '';
}
