import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { sendJson, startApiServer, type Answer } from '../../../test/doubles/api-server.ts';
import { horizontalPodAutoscaler, prefetchPolicy } from '../../../test/gen/objects.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { at, decision, newPod, OLD_REPLICA_SET } from '../../../test/support/scaleout.ts';
import { until } from '../../../test/support/until.ts';
import type { PrefetchPolicy } from '../../api/v1alpha1/prefetchpolicy.ts';
import { loadKubeClient } from '../../kube/client.ts';
import type { HorizontalPodAutoscaler, Pod } from '../../kube/resources.ts';
import { Store } from '../../runtime/store.ts';
import { phasesOf } from '../../scaleout/phases.ts';
import { summaryOf } from '../../scaleout/summary.ts';
import type { Timeline } from '../../scaleout/timeline.ts';
import type { ScaleOutResult } from './metrics.ts';
import { createScaleOutObserver } from './observer.ts';

const MINUTE_MS = 60_000;
/** When scale-outs in these tests happen. */
const SCALED = new Date(at('00:45.200'));

interface World {
  /** Workloads that are watched at a time. */
  limit?: number;
  /** Answers in place of the API server, where it answers at all. */
  fault?: (url: string, response: ServerResponse) => boolean;
  policies?: readonly PrefetchPolicy[];
}

/** An observer that leads, over an API server with the Deployment `web`, whose watches the test feeds. */
async function world({ limit, fault = () => false, policies = [prefetchPolicy('web')] }: World) {
  const watches: { response: ServerResponse; open: boolean }[] = [];
  const answer: Answer = (response, { url }) => {
    if (fault(url, response)) {
      return;
    }
    if (url.includes('watch=true')) {
      const watch = { response: response.writeHead(200, { 'content-type': 'application/json' }), open: true };
      response.flushHeaders();
      response.on('close', () => (watch.open = false));
      watches.push(watch);
    } else if (url.includes('/replicasets/')) {
      const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'uid-web', controller: true };
      sendJson(response, 200, {
        metadata: { name: 'web-1', uid: OLD_REPLICA_SET, creationTimestamp: at('00:00'), ownerReferences: [owner] },
      });
    } else if (url.includes('/deployments/')) {
      const name = url.split('/').at(-1) ?? '';
      sendJson(response, 200, {
        metadata: { name, uid: `uid-${name}` },
        spec: { selector: { matchLabels: { app: name } } },
      });
    } else {
      sendJson(response, 200, { metadata: { resourceVersion: '1' }, items: [] });
    }
  };
  const server = await startApiServer(answer);
  const client = loadKubeClient({ kubeconfig: server.kubeconfig, userAgent: 'test' });
  const clock = new FakeClock(SCALED);
  const store = new Store<PrefetchPolicy>();
  for (const policy of policies) {
    store.upsert(policy);
  }
  const results: { result: ScaleOutResult; timeline: Timeline }[] = [];
  const lines: string[] = [];
  const sink = new Writable({ write: (chunk: Buffer, _, done) => (lines.push(String(chunk)), done()) });
  const observer = createScaleOutObserver({
    client,
    policies: store,
    metrics: { observe: (result, timeline) => results.push({ result, timeline }) },
    clock,
    log: pino({ level: 'info' }, sink),
    ...(limit === undefined ? {} : { limit }),
  });
  const stop = new AbortController();
  const running = observer.run(stop.signal);
  const autoscalers = new Map<string, HorizontalPodAutoscaler>();
  return {
    server,
    clock,
    store,
    observer,
    watches,
    results,
    lines,
    /** The autoscaler `name` says that it has scaled, at the time that the clock shows. */
    scale(name: string, from: number, to: number): void {
      const before = autoscalers.get(name) ?? horizontalPodAutoscaler(name, { status: { desiredReplicas: from } });
      const lastScaleTime = `${clock.now().toISOString().slice(0, 19)}Z`;
      const status = { lastScaleTime, currentReplicas: from, desiredReplicas: to };
      const object = horizontalPodAutoscaler(name, { status });
      autoscalers.set(name, object);
      observer.autoscalerChanged({ type: 'updated', old: before, object });
    },
    /** The newest watch tells of a Pod. */
    send(pod: Pod, type = 'MODIFIED'): void {
      const object = { ...pod, metadata: { ...pod.metadata, resourceVersion: String(watches.length + 1) } };
      watches.at(-1)?.response.write(`${JSON.stringify({ type, object })}\n`);
    },
    async stop(): Promise<void> {
      stop.abort(new Error('test ends'));
      await running;
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('test ends'));
      await running;
      await client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

const READY = { created: '00:45', scheduled: '00:45', started: '00:46', ready: '00:47' };

test('a scale-out is measured by the times at which it was seen, and the watch is closed', async () => {
  const policy = prefetchPolicy('web', { status: { decision: decision() } });
  await using w = await world({ policies: [policy] });
  w.scale('web', 1, 2);
  await until('the Pods are watched', async () => w.watches.length === 1);
  await w.clock.advance(300);
  w.send(newPod('a', { created: '00:45' }), 'ADDED');
  await until('the Pod was seen', async () => w.server.requests.some(({ url }) => url.includes('/replicasets/')));
  await w.clock.advance(2000);
  w.send(newPod('a', READY));
  await until('it is measured', async () => w.results.length === 1);
  const { result, timeline } = w.results[0] ?? assert.fail();
  assert.equal(result, 'ready');
  assert.equal(
    summaryOf(timeline),
    'warm verified 42.3 s before the first new Pod; last Pod Ready 2.3 s after the scale-out',
  );
  assert.equal(phasesOf(timeline).scaledToFirstPodCreated, 0.3);
  await until('the watch is closed', async () => w.watches[0]?.open === false);
  assert.equal(w.lines.filter((line) => line.includes('scaled out 1→2: warm verified 42.3 s before')).length, 1);
});

test('a further step of the same workload goes over the same watch', async () => {
  await using w = await world({});
  w.scale('web', 1, 2);
  await until('the Pods are watched', async () => w.watches.length === 1);
  w.send(newPod('a', { created: '00:45' }), 'ADDED');
  await w.clock.advance(15_000);
  w.scale('web', 2, 3);
  w.send(newPod('b', { created: '01:00', ready: '01:01' }), 'ADDED');
  await until('the second is measured', async () => w.results.length === 1);
  w.send(newPod('a', READY));
  await until('the first is measured', async () => w.results.length === 2);
  assert.deepEqual(
    w.results.map(({ result, timeline }) => [result, ...timeline.pods.map(({ name }) => name)]),
    [
      ['ready', 'b'],
      ['ready', 'a'],
    ],
  );
  assert.equal(w.watches.length, 1);
});

test('Pods that are not Ready after ten minutes are given up', async () => {
  await using w = await world({});
  w.scale('web', 1, 3);
  await until('the Pods are watched', async () => w.watches.length === 1);
  w.send(newPod('a', READY), 'ADDED');
  await until('the Pod was seen', async () => w.server.requests.some(({ url }) => url.includes('/replicasets/')));
  await w.clock.advance(2 * MINUTE_MS);
  assert.equal(w.results.length, 0);
  await w.clock.advance(8 * MINUTE_MS);
  await until('it is given up', async () => w.results.length === 1);
  assert.equal(w.results[0]?.result, 'unfinished');
  assert.equal(w.results[0]?.timeline.pods.length, 1);
  assert.equal(w.clock.timers, 0);
});

test('a warm that is still under way is waited for, and came too late', async () => {
  const warming = { type: 'Warm', status: 'False', reason: 'Warming', message: '', lastTransitionTime: at('00:40') };
  const status = {
    horizontalPodAutoscaler: 'web',
    decision: decision({ scaledAt: undefined, warmVerifiedAt: undefined }),
    conditions: [warming],
  };
  await using w = await world({ policies: [prefetchPolicy('web', { status })] });
  w.scale('web', 1, 2);
  await until('the Pods are watched', async () => w.watches.length === 1);
  w.send(newPod('a', READY), 'ADDED');
  await until('the Pod was seen', async () => w.server.requests.some(({ url }) => url.includes('/replicasets/')));
  await w.clock.advance(100);
  assert.equal(w.results.length, 0);
  const warm = prefetchPolicy('web', {
    metadata: { resourceVersion: '2' },
    status: { horizontalPodAutoscaler: 'web', decision: decision({ warmVerifiedAt: at('00:50.200') }) },
  });
  w.store.upsert(warm);
  w.observer.policyChanged(warm);
  await until('it is measured', async () => w.results.length === 1);
  assert.equal(phasesOf((w.results[0] ?? assert.fail()).timeline).lead, -5);
});

test('a watch that breaks is taken up again', async () => {
  await using w = await world({});
  w.scale('web', 1, 2);
  await until('the Pods are watched', async () => w.watches.length === 1);
  w.watches[0]?.response.destroy();
  await until('they are watched again', async () => {
    await w.clock.advance(1000);
    return w.watches.length === 2;
  });
  w.send(newPod('a', READY), 'ADDED');
  await until('it is measured', async () => w.results.length === 1);
  assert.equal(w.results[0]?.result, 'ready');
});

test('an API server that fails for a while is asked again', async () => {
  let failures = 2;
  const fault: World['fault'] = (url, response) => {
    const fails = url.includes('/deployments/') && failures-- > 0;
    if (fails) {
      sendJson(response, 500, { kind: 'Status', code: 500, message: 'etcd is away' });
    }
    return fails;
  };
  await using w = await world({ fault });
  w.scale('web', 1, 2);
  await until('the Pods are watched', async () => {
    await w.clock.advance(1000);
    return w.watches.length === 1;
  });
  assert.equal(w.results.length, 0);
});

for (const what of ['/deployments/', '/pods?']) {
  test(`without the right to read ${what}, the scale-out is passed over with a line in the log`, async () => {
    const fault: World['fault'] = (url, response) => {
      if (url.includes(what)) {
        sendJson(response, 403, { kind: 'Status', code: 403, reason: 'Forbidden', message: 'no' });
      }
      return url.includes(what);
    };
    await using w = await world({ fault });
    w.scale('web', 1, 2);
    await until('it is passed over', async () => w.results.length === 1);
    assert.equal(w.results[0]?.result, 'skipped');
    assert.equal(w.lines.filter((line) => line.includes('its Pods cannot be watched')).length, 1);
    await w.clock.advance(15_000);
    w.scale('web', 2, 3);
    await until('the next one is looked at', async () => w.results.length === 2);
  });
}

test('only so many workloads are watched at the same time', async () => {
  const policies = ['a', 'b', 'c'].map((name) =>
    prefetchPolicy(name, { spec: { horizontalPodAutoscalerRef: { name } } }),
  );
  await using w = await world({ limit: 2, policies });
  for (const name of ['a', 'b', 'c']) {
    w.scale(name, 1, 2);
  }
  await until('two are watched', async () => w.watches.length === 2);
  assert.deepEqual(
    w.results.map(({ result }) => result),
    ['skipped'],
  );
});

test('nothing is asked for a scale-in, a workload without a policy, a suspended one, or an autoscaler that is new', async () => {
  const of = (name: string, more = {}): PrefetchPolicy =>
    prefetchPolicy(name, { spec: { horizontalPodAutoscalerRef: { name }, ...more } });
  await using w = await world({ policies: [of('web'), of('in'), of('new'), of('idle', { suspend: true })] });
  w.scale('in', 3, 2);
  w.scale('other', 1, 2);
  w.scale('idle', 1, 2);
  const status = { lastScaleTime: at('00:45'), currentReplicas: 1, desiredReplicas: 3 };
  const object = horizontalPodAutoscaler('new', { status });
  w.observer.autoscalerChanged({ type: 'added', object });
  w.observer.autoscalerChanged({ type: 'updated', old: object, object });
  w.scale('web', 1, 2);
  await until('the Pods are watched', async () => w.watches.length === 1);
  w.send(newPod('a', READY), 'ADDED');
  await until('it is measured', async () => w.results.length === 1);
  const read = w.server.requests.map(({ url }) => url).filter((url) => url.includes('/deployments/'));
  assert.deepEqual(read, ['/apis/apps/v1/namespaces/team-a/deployments/web']);
});

test('what stops leading watches nothing any more, and lets scale-outs pass', async () => {
  await using w = await world({});
  w.scale('web', 1, 2);
  await until('the Pods are watched', async () => w.watches.length === 1);
  await w.stop();
  await until('the watch is closed', async () => w.watches[0]?.open === false);
  w.scale('web', 2, 3);
  assert.deepEqual([w.watches.length, w.results.length], [1, 0]);
  assert.equal(w.clock.timers, 0);
});
