import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samplesOf } from './metrics.ts';
import type { HpaFacts } from './metrics.ts';

type Spec = NonNullable<NonNullable<HpaFacts['spec']>['metrics']>[number];
type Status = NonNullable<NonNullable<HpaFacts['status']>['currentMetrics']>[number];

function ratios(metrics: Spec[], currentMetrics: Status[] | null | undefined): Record<string, number> {
  const samples = samplesOf({ spec: { maxReplicas: 10, metrics }, status: { currentReplicas: 2, currentMetrics } });
  return Object.fromEntries(samples.map(({ metric, ratio }) => [metric, Number(ratio.toFixed(6))]));
}

function cpu(averageUtilization: number): Spec {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } };
}

test('a resource is compared by utilization', () => {
  const current = {
    type: 'Resource',
    resource: { name: 'cpu', current: { averageUtilization: 60, averageValue: '1' } },
  };
  assert.deepEqual(ratios([cpu(80)], [current]), { 'Resource/cpu': 0.75 });
});

test('a resource is compared by average value, whatever units the two sides use', () => {
  const target = { type: 'AverageValue', averageValue: '1Gi' };
  const current = { averageValue: '536870912', averageUtilization: 3 };
  assert.deepEqual(
    ratios(
      [{ type: 'Resource', resource: { name: 'memory', target } }],
      [{ type: 'Resource', resource: { name: 'memory', current } }],
    ),
    { 'Resource/memory': 0.5 },
  );
});

test('a container resource is told apart by its container', () => {
  const target = { type: 'Utilization', averageUtilization: 50 };
  assert.deepEqual(
    ratios(
      [
        { type: 'ContainerResource', containerResource: { name: 'cpu', container: 'app', target } },
        { type: 'ContainerResource', containerResource: { name: 'cpu', container: 'proxy', target } },
      ],
      [
        {
          type: 'ContainerResource',
          containerResource: { name: 'cpu', container: 'proxy', current: { averageUtilization: 10 } },
        },
        {
          type: 'ContainerResource',
          containerResource: { name: 'cpu', container: 'app', current: { averageUtilization: 45 } },
        },
      ],
    ),
    { 'ContainerResource/app/cpu': 0.9, 'ContainerResource/proxy/cpu': 0.2 },
  );
});

test('a Pods metric is compared by average value', () => {
  const metric = { name: 'packets' };
  assert.deepEqual(
    ratios(
      [{ type: 'Pods', pods: { metric, target: { type: 'AverageValue', averageValue: '1k' } } }],
      [{ type: 'Pods', pods: { metric, current: { averageValue: '900' } } }],
    ),
    { 'Pods/packets': 0.9 },
  );
});

test('an Object metric is compared by value or by average value, as its target says', () => {
  const metric = { name: 'requests' };
  const describedObject = { kind: 'Ingress', name: 'main', apiVersion: 'networking.k8s.io/v1' };
  const current = { value: '1500m', averageValue: '100m' };
  const status = [{ type: 'Object', object: { metric, describedObject, current } }];
  assert.deepEqual(
    ratios([{ type: 'Object', object: { metric, describedObject, target: { type: 'Value', value: '2' } } }], status),
    { 'Object/Ingress/main/requests': 0.75 },
  );
  const average = { type: 'AverageValue', averageValue: '400m' };
  assert.deepEqual(ratios([{ type: 'Object', object: { metric, describedObject, target: average } }], status), {
    'Object/Ingress/main/requests': 0.25,
  });
});

test('External metrics of one name are told apart by their selector', () => {
  const red = { name: 'queue', selector: { matchLabels: { queue: 'red' } } };
  const blue = { name: 'queue', selector: { matchLabels: { queue: 'blue' } } };
  const target = { type: 'AverageValue', averageValue: '30' };
  const found = ratios(
    [
      { type: 'External', external: { metric: red, target } },
      { type: 'External', external: { metric: blue, target: { type: 'Value', value: '100' } } },
    ],
    [
      { type: 'External', external: { metric: red, current: { averageValue: '33' } } },
      { type: 'External', external: { metric: blue, current: { value: '7' } } },
    ],
  );
  assert.deepEqual(Object.values(found), [1.1, 0.07]);
});

test('metrics that are missing, unknown or not numbers are left out, and the others stay', () => {
  const memory: Spec = {
    type: 'Resource',
    resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } },
  };
  const good: Status = { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 40 } } };
  assert.deepEqual(ratios([cpu(80), memory], [good]), { 'Resource/cpu': 0.5 });
  // The autoscaler leaves an empty entry in place of a metric that it could not get.
  assert.deepEqual(ratios([cpu(80), memory], [good, { type: '' }]), { 'Resource/cpu': 0.5 });
  assert.deepEqual(
    ratios(
      [cpu(80), memory],
      [good, { type: 'Resource', resource: { name: 'memory', current: { averageValue: '?' } } }],
    ),
    { 'Resource/cpu': 0.5 },
  );
  assert.deepEqual(ratios([cpu(80)], null), {});
  assert.deepEqual(ratios([cpu(80)], undefined), {});
  assert.deepEqual(ratios([cpu(0)], [good]), {});
  assert.deepEqual(samplesOf({}), []);
});
