import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { loadKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { isConflict } from '../../src/kube/errors.ts';
import { leaseLock } from '../../src/kube/lease.ts';
import { leases } from '../../src/kube/resources.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { LeaderElector } from '../../src/runtime/leader-election.ts';
import { startEnvtest, type Envtest } from '../envtest/envtest.ts';

const log = pino({ level: 'silent' });

let envtest: Envtest;
let client: KubeClient;

before(async () => {
  envtest = await startEnvtest();
  client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'slipstream-test' });
});

after(async () => {
  await client?.close();
  await envtest?.stop();
});

const record = {
  holderIdentity: 'a',
  leaseDurationSeconds: 15,
  acquireTime: new Date('2026-01-01T00:00:00.123Z'),
  renewTime: new Date('2026-01-01T00:00:01.456Z'),
  leaseTransitions: 2,
};

test('a lock that is not there is undefined; what is written is read back to the millisecond', async () => {
  const { signal } = new AbortController();
  const lock = leaseLock(client, { namespace: 'default', name: 'roundtrip' });
  assert.equal(await lock.get(signal), undefined);
  await lock.create(record, signal);
  assert.deepEqual(await lock.get(signal), record);
  const lease = await client.get(leases, { namespace: 'default', name: 'roundtrip' });
  assert.equal(lease.spec?.renewTime, '2026-01-01T00:00:01.456000Z');
});

test('an update fails with a conflict when someone else has written since', async () => {
  const { signal } = new AbortController();
  const ref = { namespace: 'default', name: 'contended' };
  const [first, second] = [leaseLock(client, ref), leaseLock(client, ref)];
  await first.create(record, signal);
  await second.get(signal);
  await second.update({ ...record, holderIdentity: 'b' }, signal);
  await assert.rejects(first.update(record, signal), isConflict);
  await first.get(signal);
  await first.update(record, signal);
});

test('of two electors one leads, and when it stops the other one does', { timeout: 60_000 }, async (t) => {
  const ref = { namespace: 'default', name: 'election' };
  const elector = (identity: string): LeaderElector =>
    new LeaderElector({
      lock: leaseLock(client, ref),
      identity,
      clock: systemClock,
      log,
      leaseDuration: 30_000,
      renewDeadline: 20_000,
      retryPeriod: 100,
    });
  const leaders: string[] = [];
  const stops = { a: new AbortController(), b: new AbortController() };
  const started = { a: Promise.withResolvers<void>(), b: Promise.withResolvers<void>() };
  const run = (name: 'a' | 'b'): Promise<void> =>
    elector(name).run(stops[name].signal, {
      onStartedLeading: () => {
        leaders.push(name);
        started[name].resolve();
      },
      onStoppedLeading: () => leaders.push(`not ${name}`),
    });
  t.after(() => {
    stops.a.abort();
    stops.b.abort();
  });
  const a = run('a');
  await started.a.promise;
  const b = run('b');
  stops.a.abort();
  await a;
  // Long before the lease would run out: it was given up.
  await started.b.promise;
  const { spec } = await client.get(leases, ref);
  assert.deepEqual([spec?.holderIdentity, spec?.leaseTransitions], ['b', 1]);
  stops.b.abort();
  await b;
  assert.deepEqual(leaders, ['a', 'not a', 'b', 'not b']);
});
