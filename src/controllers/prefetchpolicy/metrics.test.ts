import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import type { PrefetchPolicy, PrefetchPolicyStatus, WarmImage, WarmSeed } from '../../api/v1alpha1/prefetchpolicy.ts';
import { prefetchMetrics } from './metrics.ts';

const IMAGE: WarmImage = {
  image: 'registry.test/web:1',
  digest: `sha256:${'a'.repeat(64)}`,
  platform: 'linux/amd64',
  state: 'Warm',
  blobs: { total: 2, warm: 2 },
  bytes: 30,
};

function statusWith(...seeds: WarmSeed[]): PrefetchPolicyStatus {
  return { images: [{ ...IMAGE, seeds }] };
}

function policyWith(status: PrefetchPolicyStatus): PrefetchPolicy {
  return { metadata: { namespace: 'shop', name: 'web' }, status } as PrefetchPolicy;
}

test('each image has its bytes, and what each seed peer has of it, for as long as a policy warms it', async () => {
  const registry = new Registry();
  const policies = [
    policyWith(statusWith({ name: 's1', blobs: 2, bytes: 30 }, { name: 's2', blobs: 1, bytes: 20, reason: 'Evicted' })),
  ];
  prefetchMetrics(registry, () => policies);
  const text = await registry.metrics();
  assert.match(text, /slipstream_prefetch_image_bytes\{image="registry\.test\/web:1",platform="linux\/amd64"\} 30/);
  assert.match(text, /slipstream_prefetch_image_warm_bytes\{.*seed="s1"\} 30/);
  assert.match(text, /slipstream_prefetch_image_warm_bytes\{.*seed="s2"\} 20/);
  policies.length = 0;
  assert.doesNotMatch(await registry.metrics(), /registry\.test/);
});

test('an eviction counts once, when it is found', async () => {
  const registry = new Registry();
  const metrics = prefetchMetrics(registry, () => []);
  const warm = statusWith({ name: 's1', blobs: 2, bytes: 30 });
  const evicted = statusWith({ name: 's1', blobs: 0, bytes: 0, reason: 'Evicted' });
  metrics.observe({}, warm);
  metrics.observe(warm, evicted);
  metrics.observe(evicted, evicted);
  assert.match(await registry.metrics(), /slipstream_prefetch_evictions_total 1/);
});

test('what a decision found warm is counted apart from what it brought', async () => {
  const registry = new Registry();
  const metrics = prefetchMetrics(registry, () => []);
  const decision = {
    trigger: 'Autoscaler',
    reason: 'NearTarget',
    message: '',
    at: '2026-01-01T00:00:00Z',
    currentReplicas: 1,
    expectedReplicas: 2,
  } as const;
  metrics.observe({}, { decision });
  metrics.observe({ decision }, { decision: { ...decision, bytesFound: 10 } });
  metrics.observe(
    { decision: { ...decision, bytesFound: 10 } },
    { decision: { ...decision, bytesFound: 10, bytes: 20 } },
  );
  const text = await registry.metrics();
  assert.match(text, /slipstream_prefetch_found_bytes_total 10/);
  assert.match(text, /slipstream_prefetch_warmed_bytes_total 20/);
});
