import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { sendJson, startApiServer, type Answer, type ApiServerDouble } from '../../test/doubles/api-server.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { KubeObject } from '../runtime/object.ts';
import { loadKubeClient } from './client.ts';
import { EventRecorder } from './events.ts';

const POD: KubeObject = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'ns', name: 'web', uid: 'u1' } };
const MINUTE = 60_000;

interface Setup {
  recorder: EventRecorder;
  server: ApiServerDouble;
  clock: FakeClock;
  /** Messages that were logged as warnings. */
  warnings: string[];
}

const accept: Answer = (response) => sendJson(response, 200, {});

async function setUp(t: TestContext, answer = accept): Promise<Setup> {
  const server = await startApiServer(answer);
  const client = loadKubeClient({ kubeconfig: server.kubeconfig, userAgent: 'test' });
  t.after(async () => {
    await client.close();
    await server[Symbol.asyncDispose]();
  });
  const clock = new FakeClock();
  const warnings: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) });
  return { recorder: new EventRecorder({ client, clock, log, instance: 'slipstream-0' }), server, clock, warnings };
}

/** `method reason-or-count` of what arrived. */
function received(server: ApiServerDouble): string[] {
  return server.requests.map(({ method, body }) => {
    const event = JSON.parse(body) as { reason?: string; series?: { count: number } };
    return `${method} ${event.reason ?? ''}${event.series === undefined ? '' : `x${event.series.count}`}`;
  });
}

test('an event says what happened to which object, and who saw it when', async (t) => {
  const { recorder, server } = await setUp(t);
  recorder.event(POD, 'Warning', 'SourceNotFound', 'no such image');
  await recorder.flush();
  const [request] = server.requests;
  assert.equal(request?.url, '/apis/events.k8s.io/v1/namespaces/ns/events');
  const { metadata, ...event } = JSON.parse(request?.body ?? '') as { metadata: { name: string } };
  assert.match(metadata.name, /^web\.[0-9a-f]{16}$/);
  assert.deepEqual(event, {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'slipstream.dev/controller',
    reportingInstance: 'slipstream-0',
    action: 'Reconcile',
    type: 'Warning',
    reason: 'SourceNotFound',
    note: 'no such image',
    regarding: { apiVersion: 'v1', kind: 'Pod', namespace: 'ns', name: 'web', uid: 'u1' },
  });
});

test('the same event within six minutes of the last is counted, and then starts anew', async (t) => {
  const { recorder, server, clock } = await setUp(t);
  for (const wait of [0, 5 * MINUTE, 5 * MINUTE, 6 * MINUTE]) {
    await clock.advance(wait);
    recorder.event(POD, 'Normal', 'A', 'same');
    await recorder.flush();
  }
  assert.deepEqual(received(server), ['POST A', 'PATCH x2', 'PATCH x3', 'POST A']);
  assert.equal(server.requests[1]?.headers['content-type'], 'application/merge-patch+json');
});

test('another message, reason or object is another event', async (t) => {
  const { recorder, server } = await setUp(t);
  recorder.event(POD, 'Normal', 'A', 'one');
  recorder.event(POD, 'Normal', 'A', 'two');
  recorder.event(POD, 'Normal', 'B', 'one');
  recorder.event({ ...POD, metadata: { ...POD.metadata, uid: 'u2' } }, 'Normal', 'A', 'one');
  await recorder.flush();
  assert.deepEqual(received(server), ['POST A', 'POST A', 'POST B', 'POST A']);
});

test('what happens while one is being sent is one update, however often, and costs no budget', async (t) => {
  const { recorder, server } = await setUp(t);
  for (let i = 0; i < 1000; i++) {
    recorder.event(POD, 'Normal', 'A', 'same');
  }
  await recorder.flush();
  recorder.event(POD, 'Normal', 'B', 'another');
  await recorder.flush();
  assert.deepEqual(received(server), ['POST A', 'PATCH x1000', 'POST B']);
});

test('an object that has spent its budget gets one more event each five minutes; others have their own', async (t) => {
  const { recorder, server, clock } = await setUp(t);
  for (let i = 0; i < 30; i++) {
    recorder.event(POD, 'Normal', `R${i}`, 'message');
  }
  recorder.event({ ...POD, metadata: { ...POD.metadata, uid: 'u2' } }, 'Normal', 'Other', 'message');
  await recorder.flush();
  assert.equal(server.requests.length, 26);
  assert.equal(received(server).at(-1), 'POST Other');
  await clock.advance(5 * MINUTE);
  recorder.event(POD, 'Normal', 'Late', 'message');
  recorder.event(POD, 'Normal', 'TooMany', 'message');
  await recorder.flush();
  assert.deepEqual(received(server).slice(26), ['POST Late']);
});

test('an Event that the API server has let go of is created again', async (t) => {
  const { recorder, server } = await setUp(t, (response, { method }) => {
    sendJson(response, method === 'PATCH' ? 404 : 201, {});
  });
  recorder.event(POD, 'Normal', 'A', 'same');
  await recorder.flush();
  recorder.event(POD, 'Normal', 'A', 'same');
  await recorder.flush();
  assert.deepEqual(received(server), ['POST A', 'PATCH x2', 'POST Ax2']);
});

test('an API server that refuses or is gone is a warning in the log and nothing else', async (t) => {
  const { recorder, server, warnings } = await setUp(t, (response) => sendJson(response, 403, {}));
  recorder.event(POD, 'Normal', 'A', 'refused');
  await recorder.flush();
  await server[Symbol.asyncDispose]();
  server[Symbol.asyncDispose] = async () => undefined;
  recorder.event(POD, 'Normal', 'A', 'gone');
  await recorder.flush();
  assert.equal(warnings.length, 2);
  assert.match(warnings[0] ?? '', /answered 403/);
  assert.match(warnings[1] ?? '', /ECONNREFUSED/);
});

test('events that an API server is too slow for are dropped beyond a thousand', async (t) => {
  const open = Promise.withResolvers<void>();
  const { recorder, server } = await setUp(t, async (response) => {
    await open.promise;
    sendJson(response, 200, {});
  });
  for (let i = 0; i < 1100; i++) {
    recorder.event({ ...POD, metadata: { namespace: 'ns', name: `pod-${i}` } }, 'Normal', 'A', 'message');
  }
  open.resolve();
  await recorder.flush();
  // The first one was on its way already.
  assert.equal(server.requests.length, 1001);
});

test('a message too long for the API is cut between two characters, a name so that it stays one', async (t) => {
  const { recorder, server } = await setUp(t);
  const name = `${'n'.repeat(235)}-${'n'.repeat(17)}`;
  recorder.event({ ...POD, metadata: { namespace: 'ns', name } }, 'Normal', 'A', 'ä'.repeat(1000));
  await recorder.flush();
  const event = JSON.parse(server.requests[0]?.body ?? '') as { note: string; metadata: { name: string } };
  assert.equal(event.note, `${'ä'.repeat(510)}…`);
  assert.ok(Buffer.byteLength(event.note) <= 1024);
  assert.match(event.metadata.name, /^n{235}\.[0-9a-f]{16}$/);
});
