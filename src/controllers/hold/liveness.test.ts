import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import type { Lease } from '../../kube/resources.ts';
import { FRESH_MS, watchReleaser } from './liveness.ts';

type Handler = Parameters<Parameters<typeof watchReleaser>[0]['onChange']>[0];

function start(): {
  clock: FakeClock;
  alive: () => boolean;
  change: (type: 'added' | 'updated' | 'deleted', renewTime?: string) => void;
} {
  const clock = new FakeClock();
  const handlers: Handler[] = [];
  const alive = watchReleaser({ onChange: (handler) => void handlers.push(handler) }, clock);
  return {
    clock,
    alive,
    change(type, renewTime) {
      const object = { metadata: { name: 'slipstream-release' }, spec: { renewTime } } as Lease;
      for (const handler of handlers) handler({ type, object });
    },
  };
}

test('a releaser is alive from a renewal that was seen on, for 15 s', async () => {
  const { clock, alive, change } = start();
  assert.equal(alive(), false);
  change('added', '1');
  assert.equal(alive(), false, 'it may have been renewed long ago');
  change('updated', '2');
  assert.equal(alive(), true);
  await clock.advance(FRESH_MS - 1);
  assert.equal(alive(), true);
  await clock.advance(1);
  assert.equal(alive(), false);
});

test('a change of the Lease that renews nothing says nothing', () => {
  const { alive, change } = start();
  change('added', '1');
  change('updated', '1');
  assert.equal(alive(), false);
});

test('a Lease that is taken away ends it at once, and the next one has to be renewed first', () => {
  const { alive, change } = start();
  change('added', '1');
  change('updated', '2');
  change('deleted', '2');
  assert.equal(alive(), false);
  change('added', '3');
  assert.equal(alive(), false);
  change('updated', '4');
  assert.equal(alive(), true);
});
