import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { KubeError } from '../../kube/errors.ts';
import { createHeartbeat, HEARTBEAT_MS } from './heartbeat.ts';

interface Fixture {
  clock: FakeClock;
  /** Whether there is a Lease, how often it was made and renewed, and what stands in the way. */
  server: { exists: boolean; created: number; renewed: number };
  trouble: { failure?: string };
}

async function start(t: TestContext, exists = false): Promise<Fixture> {
  const clock = new FakeClock();
  const server = { exists, created: 0, renewed: 0 };
  const trouble: Fixture['trouble'] = {};
  const client = {
    async create() {
      if (server.exists) throw new KubeError('there', { code: 409, reason: 'AlreadyExists' });
      server.exists = true;
      server.created += 1;
      return {} as never;
    },
    async patch() {
      if (!server.exists) throw new KubeError('gone', { code: 404, reason: 'NotFound' });
      server.renewed += 1;
      return {} as never;
    },
  };
  const stop = new AbortController();
  const log = pino({ level: 'silent' });
  const lease = { namespace: 'slipstream-system', name: 'slipstream-release' };
  const failure = (): string | undefined => trouble.failure;
  const running = createHeartbeat({ client, lease, identity: 'a', clock, log, failure }).run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
  });
  await clock.advance(0);
  return { clock, server, trouble };
}

test('a releaser shows every five seconds that it is alive, whoever made the Lease', async (t) => {
  for (const exists of [false, true]) {
    const { clock, server } = await start(t, exists);
    assert.deepEqual(server, { exists: true, created: exists ? 0 : 1, renewed: 1 });
    await clock.advance(2 * HEARTBEAT_MS);
    assert.equal(server.renewed, 3);
  }
});

test('a releaser that does not let Pods go does not show that it is alive, until it does', async (t) => {
  const { clock, server, trouble } = await start(t);
  trouble.failure = 'Pods are held longer than they may be';
  await clock.advance(4 * HEARTBEAT_MS);
  assert.equal(server.renewed, 1);
  delete trouble.failure;
  await clock.advance(HEARTBEAT_MS);
  assert.equal(server.renewed, 2);
});

test('a Lease that somebody took away stays away, until a releaser starts', async (t) => {
  const { clock, server } = await start(t);
  server.exists = false;
  await clock.advance(4 * HEARTBEAT_MS);
  assert.deepEqual([server.exists, server.created, server.renewed], [false, 1, 1]);
});
