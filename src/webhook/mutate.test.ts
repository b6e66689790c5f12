import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Operation } from '../rewriting/patch.ts';
import type { RewriteIndex } from '../rewriting/index.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { ARTIFACT_DIGEST, indexOf, NOW, readyImage, webPod } from '../../test/support/rewriting.ts';
import { prometheusMetrics } from './metrics.ts';
import { createReviewer, type Reviewer } from './mutate.ts';
import type { Notify } from './notify.ts';

const SOURCE = 'registry.test/web:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;
const PODS = { group: '', version: 'v1', resource: 'pods' };

interface Fixture {
  review: Reviewer;
  /** `decision/reason` of what was counted. */
  counted: () => Promise<string[]>;
  logged: Record<string, unknown>[];
  /** `namespace reason` of what was handed on after the answer. */
  told: string[];
}

function reviewer(
  index: RewriteIndex = indexOf({ images: [readyImage('web', SOURCE)] }),
  notify: Notify = () => undefined,
): Fixture {
  const registry = new Registry();
  const logged: Record<string, unknown>[] = [];
  const log = pino(
    { level: 'warn' },
    { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const told: string[] = [];
  const review = createReviewer({
    index,
    clock: new FakeClock(NOW),
    metrics: prometheusMetrics(registry),
    log,
    notify: (decision, namespace) => {
      told.push(`${namespace} ${decision.reason}`);
      notify(decision, namespace);
    },
  });
  return {
    review,
    logged,
    told,
    async counted() {
      const metric = await registry.getSingleMetric('slipstream_admission_decisions_total')?.get();
      return (metric?.values ?? []).map(({ labels }) => `${labels['decision']}/${labels['reason']}`);
    },
  };
}

function body(request: object): string {
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'u1', operation: 'CREATE', resource: PODS, namespace: 'team-a', ...request },
  });
}

function patchOf(answer: ReturnType<Reviewer>): Operation[] {
  assert.equal(answer?.response.uid, 'u1');
  assert.equal(answer.response.allowed, true);
  const { patch } = answer.response;
  return patch === undefined ? [] : (JSON.parse(Buffer.from(patch, 'base64').toString()) as Operation[]);
}

test('a new Pod gets the patch that rewrites it, and is counted', async () => {
  const { review, counted } = reviewer();
  const patch = patchOf(review(body({ object: webPod(SOURCE) })));
  assert.deepEqual(patch[0], { op: 'replace', path: '/spec/containers/0/image', value: ARTIFACT });
  assert.deepEqual(await counted(), ['rewritten/Rewritten']);
});

test("the request's namespace counts, as the object may leave it out", () => {
  const { namespace: _, ...metadata } = webPod(SOURCE).metadata;
  const pod = { ...webPod(SOURCE), metadata };
  assert.notDeepEqual(patchOf(reviewer().review(body({ object: pod }))), []);
  assert.deepEqual(patchOf(reviewer().review(body({ object: webPod(SOURCE), namespace: 'team-b' }))), []);
});

test('a Pod that is left alone is counted with the reason', async () => {
  const { review, counted } = reviewer();
  assert.deepEqual(patchOf(review(body({ object: webPod('registry.test/other:1') }))), []);
  assert.deepEqual(await counted(), ['skipped/NoAcceleratedImage']);
});

test('an update of ephemeral containers changes the new ones only', async () => {
  const metadata = { annotations: { 'io.containerd.cri.runtime-handler': 'nydus' } };
  const spec = { runtimeClassName: 'nydus', nodeName: 'n1' };
  const { review, counted } = reviewer();
  const patch = patchOf(
    review(
      body({
        operation: 'UPDATE',
        subResource: 'ephemeralcontainers',
        object: webPod(ARTIFACT, {
          metadata,
          spec: { ...spec, ephemeralContainers: [{ name: 'shell', image: SOURCE }] },
        }),
        oldObject: webPod(ARTIFACT, { metadata, spec }),
      }),
    ),
  );
  assert.deepEqual(patch, [{ op: 'replace', path: '/spec/ephemeralContainers/0/image', value: ARTIFACT }]);
  assert.deepEqual(await counted(), ['rewritten/Rewritten']);
});

describe('a request that is not asked for is allowed without a patch', () => {
  const others: Record<string, object> = {
    'an update of a Pod': { operation: 'UPDATE' },
    'a deletion': { operation: 'DELETE', object: null },
    'another subresource': { subResource: 'binding' },
    'another kind': { resource: { group: 'apps', version: 'v1', resource: 'deployments' } },
    'a kind of the same name in another group': {
      resource: { group: 'metrics.k8s.io', version: 'v1', resource: 'pods' },
    },
    'its subresource of the same name': {
      resource: { group: 'metrics.k8s.io', version: 'v1', resource: 'pods' },
      subResource: 'ephemeralcontainers',
      operation: 'UPDATE',
    },
  };
  for (const [name, request] of Object.entries(others)) {
    test(name, async () => {
      const { review, counted } = reviewer();
      assert.deepEqual(patchOf(review(body({ object: webPod(SOURCE), ...request }))), []);
      assert.deepEqual(await counted(), ['skipped/NotHandled']);
    });
  }
});

test('a request that cannot be read is allowed by its uid', async () => {
  const { review, counted, logged } = reviewer();
  assert.deepEqual(patchOf(review(JSON.stringify({ request: { uid: 'u1' } }))), []);
  assert.deepEqual(await counted(), ['error/Unreadable']);
  assert.equal(logged.length, 1);
});

test('what is no AdmissionReview has no answer', async () => {
  const { review, counted } = reviewer();
  assert.equal(review('garbage'), undefined);
  assert.deepEqual(await counted(), ['error/Unreadable']);
});

test('objects of any shape are allowed', () => {
  for (const object of [
    undefined,
    null,
    7,
    'text',
    [],
    {},
    { metadata: null, spec: [] },
    { spec: { containers: [null, 7, {}] } },
  ]) {
    assert.deepEqual(patchOf(reviewer().review(body({ object }))), []);
  }
});

test('a fault of our own leaves the Pod as it is, is logged and counted', async () => {
  const index = indexOf({ images: [readyImage('web', SOURCE)] });
  index.lookup = () => {
    throw new Error('a fault');
  };
  const { review, counted, logged } = reviewer(index);
  assert.deepEqual(patchOf(review(body({ object: webPod(SOURCE) }))), []);
  assert.deepEqual(await counted(), ['error/InternalError']);
  assert.deepEqual(
    logged.map(({ pod, namespace }) => [namespace, pod]),
    [['team-a', 'web-5d4f']],
  );
});

test('a decision about a new Pod is handed on, but not one of a dry run or of an update', () => {
  const { review, told } = reviewer();
  review(body({ object: webPod(SOURCE) }));
  review(body({ object: webPod(SOURCE), dryRun: true }));
  review(body({ object: webPod(SOURCE), operation: 'UPDATE', subResource: 'ephemeralcontainers' }));
  review(body({ object: webPod(SOURCE), operation: 'UPDATE' }));
  assert.deepEqual(told, ['team-a Rewritten']);
});

test('a fault in what is told leaves the answer as it is, and is logged', () => {
  const { review, logged } = reviewer(undefined, () => {
    throw new Error('a fault');
  });
  assert.notDeepEqual(patchOf(review(body({ object: webPod(SOURCE) }))), []);
  assert.equal(logged.length, 1);
});

test('the time that an answer took is observed in seconds', async () => {
  const registry = new Registry();
  const clock = new FakeClock(NOW);
  let elapsed = 0;
  clock.monotonic = () => (elapsed += 3);
  const log = pino({ level: 'silent' });
  const metrics = prometheusMetrics(registry);
  createReviewer({ index: indexOf(), clock, metrics, log, notify: () => undefined })(body({ object: webPod(SOURCE) }));
  const text = await registry.getSingleMetricAsString('slipstream_admission_duration_seconds');
  assert.match(text, /slipstream_admission_duration_seconds_sum 0\.003/);
});
