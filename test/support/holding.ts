import { PrefetchPolicy } from '../../src/api/v1alpha1/prefetchpolicy.ts';
import type { HorizontalPodAutoscaler, Pod } from '../../src/kube/resources.ts';
import { HoldIndex } from '../../src/holding/index.ts';
import { merge, type Overrides } from './merge.ts';
import { NOW, webPod } from './rewriting.ts';

export const IMAGE = 'registry.test/web:1';
const DIGEST = `sha256:${'a'.repeat(64)}`;

/** A policy of `team-a` that holds the Pods of the Deployment `web` for ten seconds, and whose warm began a second ago. */
export function holdingPolicy(overrides: Overrides = {}): PrefetchPolicy {
  const at = new Date(NOW.getTime() - 1000).toISOString();
  return PrefetchPolicy.parse(
    merge(
      {
        apiVersion: 'slipstream.dev/v1alpha1',
        kind: 'PrefetchPolicy',
        metadata: {
          name: 'web',
          namespace: 'team-a',
          uid: '1',
          resourceVersion: '1',
          generation: 1,
          creationTimestamp: at,
        },
        spec: { horizontalPodAutoscalerRef: { name: 'web' }, hold: { maxDuration: '10s' } },
        status: {
          observedGeneration: 1,
          target: 'Deployment/web',
          decision: {
            trigger: 'Autoscaler',
            reason: 'ThresholdPassed',
            message: '',
            at,
            currentReplicas: 1,
            expectedReplicas: 2,
            warmStartedAt: at,
          },
          images: [warmImage('Warming')],
          conditions: [
            {
              type: 'Ready',
              status: 'True',
              reason: 'Watching',
              message: '',
              lastTransitionTime: at,
              observedGeneration: 1,
            },
          ],
        },
      },
      overrides,
    ),
  );
}

/** How far an image is, as the status of a policy has it. */
export function warmImage(state: string, overrides: object = {}): object {
  const blobs = { total: 2, warm: 0 };
  return { image: IMAGE, digest: DIGEST, platform: 'linux/amd64', state, blobs, bytes: 2, ...overrides };
}

/** An autoscaler of the Deployment `web`. */
export function autoscaler(currentReplicas: number, desiredReplicas: number): HorizontalPodAutoscaler {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'web', namespace: 'team-a' },
    spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, maxReplicas: 9 },
    status: { currentReplicas, desiredReplicas, conditions: [] },
  };
}

/** An index that has seen these. */
export function holdIndexOf(policies: readonly PrefetchPolicy[], hpa = autoscaler(1, 1)): HoldIndex {
  const index = new HoldIndex({ inNamespace: () => [hpa], samples: () => [] });
  for (const policy of policies) {
    index.upsert(policy);
  }
  return index;
}

/** A Pod of the Deployment `web` that runs {@link IMAGE}. */
export function deploymentPod(overrides: Overrides = {}): Pod {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-5d4f', uid: '1', controller: true };
  const web = { metadata: { labels: { 'pod-template-hash': '5d4f' }, ownerReferences: [owner] } };
  return webPod(IMAGE, merge(web, overrides));
}

/** The same as it waits, for as long as its label says. */
export function heldPod(overrides: Overrides = {}): Pod {
  const held = {
    metadata: { labels: { 'slipstream.dev/hold': '10s' }, creationTimestamp: NOW.toISOString() },
    spec: { schedulingGates: [{ name: 'slipstream.dev/hold' }] },
  };
  return deploymentPod(merge(held, overrides));
}
