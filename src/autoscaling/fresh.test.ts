import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshMetrics } from './fresh.ts';
import type { PodFacts, PodUsage } from './fresh.ts';
import type { HpaFacts } from './metrics.ts';

const NOW = new Date('2026-01-01T12:00:00Z');
const LONG_AGO = '2026-01-01T11:00:00Z';

function podOf(name: string, { ready = true, since = LONG_AGO, request = '200m' } = {}): PodFacts {
  return {
    metadata: { name },
    spec: {
      containers: [
        { name: 'app', resources: { requests: { cpu: request, memory: '1Gi' } } },
        { name: 'sidecar', resources: { requests: { cpu: '50m' } } },
      ],
    },
    status: {
      phase: 'Running',
      startTime: since,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: since }],
    },
  };
}

function usageOf(name: string, cpu: string): PodUsage {
  return {
    metadata: { name },
    timestamp: '2026-01-01T11:59:55Z',
    window: '15.2s',
    containers: [
      { name: 'app', usage: { cpu, memory: '512Mi' } },
      { name: 'sidecar', usage: { cpu: '25m', memory: '1Mi' } },
    ],
  };
}

function hpaOf(...metrics: NonNullable<NonNullable<HpaFacts['spec']>['metrics']>): HpaFacts {
  return {
    spec: { maxReplicas: 9, metrics },
    status: {
      currentMetrics: [
        { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 10, averageValue: '25m' } } },
        { type: 'External', external: { metric: { name: 'queue' }, current: { value: '7' } } },
      ],
    },
  };
}

const CPU = {
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } },
} as const;
const QUEUE = {
  type: 'External',
  external: { metric: { name: 'queue' }, target: { type: 'Value', value: '5' } },
} as const;

test('the utilization is that of the ready Pods against what they request, and other metrics stay', () => {
  const pods = [podOf('a'), podOf('b'), podOf('starting', { ready: false, since: '2026-01-01T11:59:50Z' })];
  const usages = [usageOf('a', '100m'), usageOf('b', '200m'), usageOf('starting', '5')];
  assert.deepEqual(freshMetrics(hpaOf(CPU, QUEUE), pods, usages, NOW), [
    { type: 'External', external: { metric: { name: 'queue' }, current: { value: '7' } } },
    { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 70, averageValue: '175m' } } },
  ]);
});

test('of a single container, only that one counts', () => {
  const metric = {
    type: 'ContainerResource',
    containerResource: { name: 'cpu', container: 'app', target: { type: 'AverageValue', averageValue: '1' } },
  };
  assert.deepEqual(freshMetrics(hpaOf(metric), [podOf('a')], [usageOf('a', '123456u')], NOW)?.at(-1), {
    type: 'ContainerResource',
    containerResource: { name: 'cpu', container: 'app', current: { averageValue: '124m' } },
  });
});

test('nothing is fresher where no resource is asked for, no Pod has a value, or one requests nothing', () => {
  const [pod, usage] = [podOf('a'), usageOf('a', '1')];
  assert.equal(freshMetrics(hpaOf(QUEUE), [pod], [usage], NOW), undefined);
  assert.equal(freshMetrics(hpaOf(CPU), [pod], [], NOW), undefined);
  assert.equal(freshMetrics(hpaOf(CPU), [podOf('a', { request: 'nothing' })], [usage], NOW), undefined);
});

test('a Pod that just became ready does not count before its window is over: it burns CPU while it starts', () => {
  const pods = [podOf('a'), podOf('new', { since: '2026-01-01T11:59:50Z' })];
  const [metric] = freshMetrics(hpaOf(CPU), pods, [usageOf('a', '100m'), usageOf('new', '2')], NOW)?.slice(-1) ?? [];
  assert.deepEqual(metric?.resource?.current, { averageUtilization: 50, averageValue: '125m' });
});
