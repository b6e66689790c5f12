import assert from 'node:assert/strict';
import { test } from 'node:test';
import { horizontalPodAutoscaler, prefetchPolicy } from '../../../test/gen/objects.ts';
import { findAutoscaler } from './target.ts';

const web = horizontalPodAutoscaler('keda-hpa-web', {
  spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } },
  metadata: {
    ownerReferences: [{ apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', name: 'web-queue', uid: '1' }],
  },
});

function find(scaleTargetRef: { apiVersion: string; kind: string; name: string }): string {
  const policy = prefetchPolicy('web', { spec: { scaleTargetRef, horizontalPodAutoscalerRef: undefined } });
  return findAutoscaler(policy, [horizontalPodAutoscaler('other'), web]).metadata.name;
}

test('an autoscaler is found by its workload, and by the ScaledObject that KEDA made it for', () => {
  assert.equal(find({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }), 'keda-hpa-web');
  assert.equal(find({ apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', name: 'web-queue' }), 'keda-hpa-web');
});

test('an autoscaler that is not there is said, with what was looked for', () => {
  assert.throws(
    () => find({ apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', name: 'gone' }),
    /a HorizontalPodAutoscaler for ScaledObject team-a\/gone does not exist/,
  );
});
