import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controllerMetrics, createMetricsRegistry } from './metrics.ts';

test('reconciles are counted and timed by controller and result', async () => {
  const registry = createMetricsRegistry();
  const metrics = controllerMetrics(registry);
  metrics.observe('acceleratedimage', 'success', 0.004);
  metrics.observe('acceleratedimage', 'success', 0.2);
  metrics.observe('acceleratedimage', 'error', 0.2);
  const text = await registry.metrics();
  assert.match(text, /^slipstream_reconcile_total\{controller="acceleratedimage",result="success"\} 2$/m);
  assert.match(text, /^slipstream_reconcile_total\{controller="acceleratedimage",result="error"\} 1$/m);
  assert.match(text, /^slipstream_reconcile_duration_seconds_bucket\{le="0.005",controller="acceleratedimage"\} 1$/m);
  assert.match(text, /^slipstream_reconcile_duration_seconds_count\{controller="acceleratedimage"\} 3$/m);
});

test('the depth of a queue is read when the metrics are', async () => {
  const registry = createMetricsRegistry();
  let keys = 1;
  controllerMetrics(registry).queueDepth?.('prefetchpolicy', () => keys);
  keys = 7;
  assert.match(await registry.metrics(), /^slipstream_workqueue_depth\{controller="prefetchpolicy"\} 7$/m);
});

test('every metric says what it is, and those of the process are there', async () => {
  const registry = createMetricsRegistry();
  controllerMetrics(registry);
  const all = await registry.getMetricsAsJSON();
  assert.ok(all.some(({ name }) => name === 'process_resident_memory_bytes'));
  assert.ok(all.some(({ name }) => name.startsWith('nodejs_eventloop_lag')));
  for (const { name, help } of all) {
    assert.ok(help.length > 5, name);
  }
});

test('two registries do not see each other', async () => {
  const [first, second] = [createMetricsRegistry(), createMetricsRegistry()];
  controllerMetrics(first).observe('a', 'success', 1);
  controllerMetrics(second);
  assert.doesNotMatch(await second.metrics(), /controller="a"/);
});
