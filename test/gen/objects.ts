import { AcceleratedImage } from '../../src/api/v1alpha1/acceleratedimage.ts';
import { PrefetchPolicy } from '../../src/api/v1alpha1/prefetchpolicy.ts';
import type { HorizontalPodAutoscaler, Job, Node, Pod } from '../../src/kube/resources.ts';
import { merge, type Overrides } from '../support/merge.ts';

const CREATED = '2026-01-01T00:00:00Z';

/** An AcceleratedImage as the API server would return it: defaults filled in, then `overrides` merged over it. */
export function acceleratedImage(name: string, overrides: Overrides = {}): AcceleratedImage {
  return AcceleratedImage.parse(
    merge(
      {
        apiVersion: 'slipstream.dev/v1alpha1',
        kind: 'AcceleratedImage',
        metadata: metadata(name, 'team-a'),
        spec: { source: { image: 'registry.test/web:1' } },
      },
      overrides,
    ),
  );
}

/** A PrefetchPolicy for the HorizontalPodAutoscaler `web`, as the API server would return it. */
export function prefetchPolicy(name: string, overrides: Overrides = {}): PrefetchPolicy {
  return PrefetchPolicy.parse(
    merge(
      {
        apiVersion: 'slipstream.dev/v1alpha1',
        kind: 'PrefetchPolicy',
        metadata: metadata(name, 'team-a'),
        spec: { horizontalPodAutoscalerRef: { name: 'web' } },
      },
      overrides,
    ),
  );
}

export function job(name: string, overrides: Overrides = {}): Job {
  return merge(
    { apiVersion: 'batch/v1', kind: 'Job', metadata: metadata(name, 'team-a') },
    overrides,
  ) as unknown as Job;
}

export function pod(name: string, overrides: Overrides = {}): Pod {
  return merge({ apiVersion: 'v1', kind: 'Pod', metadata: metadata(name, 'team-a') }, overrides) as unknown as Pod;
}

export function node(name: string, overrides: Overrides = {}): Node {
  return merge(
    { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: name, resourceVersion: '1' } },
    overrides,
  ) as unknown as Node;
}

export function horizontalPodAutoscaler(name: string, overrides: Overrides = {}): HorizontalPodAutoscaler {
  return merge(
    {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: metadata(name, 'team-a'),
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, minReplicas: 1, maxReplicas: 10 },
      status: { currentReplicas: 1, desiredReplicas: 1 },
    },
    overrides,
  ) as unknown as HorizontalPodAutoscaler;
}

function metadata(name: string, namespace: string): Record<string, unknown> {
  return { name, namespace, uid: `uid-${name}`, resourceVersion: '1', generation: 1, creationTimestamp: CREATED };
}
