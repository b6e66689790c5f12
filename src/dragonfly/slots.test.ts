import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { createSlots } from './slots.ts';

const MINUTE_MS = 60_000;

interface AskOptions {
  pools?: string[];
  in?: number | (() => number);
  turn?: number;
  signal?: AbortSignal;
}

interface World {
  clock: FakeClock;
  /** Names of those that got their places, in order. */
  went: string[];
  /** Asks for places; `in` ms it is needed. */
  ask: (name: string, options?: AskOptions) => void;
  /** One that went gives its places back. */
  leave: (name: string) => Promise<void>;
}

function slotsOf(limits: Record<string, number>): World {
  const clock = new FakeClock();
  const slots = createSlots((pool) => limits[pool] ?? Infinity, clock);
  const held = new Map<string, Disposable>();
  const went: string[] = [];
  return {
    clock,
    went,
    ask(name, { pools = ['all'], in: ms = 0, turn = 0, signal = new AbortController().signal } = {}) {
      const asked = clock.now().getTime();
      const neededAt = (): number => asked + (typeof ms === 'number' ? ms : ms());
      void slots.acquire({ pools, neededAt, turn }, signal).then(
        (place) => {
          went.push(name);
          held.set(name, place);
        },
        () => undefined,
      );
    },
    async leave(name) {
      await settle();
      held.get(name)?.[Symbol.dispose]();
      await settle();
    },
  };
}

test('as many go at once as there are places, and the next when one leaves', async () => {
  const { ask, leave, went } = slotsOf({ all: 2 });
  for (const name of ['a', 'b', 'c', 'd']) {
    ask(name);
  }
  await settle();
  assert.deepEqual(went, ['a', 'b']);
  await leave('b');
  assert.deepEqual(went, ['a', 'b', 'c']);
});

test('what is needed first goes first, then whose turn is first, then who came first', async () => {
  const { ask, leave, went } = slotsOf({ all: 1 });
  ask('holder');
  ask('tomorrow', { in: 2 * MINUTE_MS });
  ask('second copy', { turn: 1 });
  ask('now');
  ask('now too');
  for (const name of ['holder', 'now', 'now too', 'second copy']) {
    await leave(name);
  }
  assert.deepEqual(went, ['holder', 'now', 'now too', 'second copy', 'tomorrow']);
});

test('what becomes urgent while it waits goes by its new time', async () => {
  const { ask, leave, went } = slotsOf({ all: 1 });
  let ms = 5 * MINUTE_MS;
  ask('holder');
  ask('hastened', { in: () => ms });
  ask('in a minute', { in: MINUTE_MS });
  ms = 0;
  await leave('holder');
  assert.deepEqual(went, ['holder', 'hastened']);
});

test('who waits for a full pool keeps nobody from going who does not need it', async () => {
  const { ask, went } = slotsOf({ all: 4, slow: 1 });
  ask('slow 1', { pools: ['all', 'slow'] });
  ask('slow 2', { pools: ['all', 'slow'] });
  ask('slow 3', { pools: ['all', 'slow'] });
  ask('quick', { pools: ['all', 'quick'] });
  await settle();
  assert.deepEqual(went, ['slow 1', 'quick']);
});

test('what is needed in a day goes before what comes a quarter of an hour after it', async () => {
  const { ask, leave, clock, went } = slotsOf({ all: 1 });
  ask('holder');
  ask('in a day', { in: 24 * 60 * MINUTE_MS });
  ask('now');
  await clock.advance(15 * MINUTE_MS);
  ask('later');
  await leave('holder');
  await leave('now');
  assert.deepEqual(went, ['holder', 'now', 'in a day']);
});

/** Two that hold a place each, one that needs both, and many that need one of them. */
async function crowd(options: AskOptions = {}): Promise<World> {
  const world = slotsOf({ left: 1, right: 1 });
  world.ask('left 0', { pools: ['left'] });
  world.ask('right 0', { pools: ['right'] });
  world.ask('both', { ...options, pools: ['left', 'right'] });
  for (let i = 1; i <= 10; i++) {
    world.ask(`left ${i}`, { pools: ['left'] });
    world.ask(`right ${i}`, { pools: ['right'] });
  }
  for (let i = 0; i < 4; i++) {
    await world.leave(`left ${i}`);
    await world.leave(`right ${i}`);
  }
  return world;
}

test('nobody starves who needs two places that others take one at a time', async () => {
  const { leave, went } = await crowd();
  assert.deepEqual(went.slice(-2), ['left 4', 'right 4']);
  await leave('left 4');
  assert.equal(went.at(-1), 'right 4');
  await leave('right 4');
  assert.equal(went.at(-1), 'both');
});

test('for one who gives up waiting no place is kept', async () => {
  const abort = new AbortController();
  const { leave, went } = await crowd({ signal: abort.signal });
  await leave('left 4');
  assert.equal(went.at(-1), 'right 4');
  abort.abort(new Error('gone'));
  await settle();
  assert.equal(went.at(-1), 'left 5');
});

test('who has given up already gets no place', async () => {
  const slots = createSlots(() => 1, new FakeClock());
  const request = { pools: ['all'], neededAt: () => 0, turn: 0 };
  await assert.rejects(slots.acquire(request, AbortSignal.abort(new Error('gone'))), /gone/);
  using _ = await slots.acquire(request, new AbortController().signal);
});
