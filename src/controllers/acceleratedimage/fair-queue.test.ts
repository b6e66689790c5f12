import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../test/gen/random.ts';
import { fairOrder, served, type Caps, type Running, type Waiting } from './fair-queue.ts';

const never = (): string => '';

function waiting(namespace: string, turn: number, registry = 'r.test'): Waiting {
  return { namespace, registry, turn: String(turn).padStart(6, '0') };
}

function line(namespace: string, count: number, from = 0): Waiting[] {
  return Array.from({ length: count }, (_, index) => waiting(namespace, from + index));
}

function names(order: readonly Waiting[]): string {
  return order.map(({ namespace }) => namespace).join('');
}

test('namespaces take turns, and in a namespace the one that has waited longest comes first', () => {
  const order = fairOrder([...line('a', 4), waiting('b', 100), waiting('c', 50), waiting('c', 60)], [], never);
  assert.equal(names(order), 'acbacaa');
  assert.deepEqual(
    order.filter(({ namespace }) => namespace === 'a').map(({ turn }) => Number(turn)),
    [0, 1, 2, 3],
  );
});

test('who has fewest running comes first', () => {
  const running = ['a', 'a', 'b'].map((namespace) => ({ namespace, registry: 'r.test' }));
  assert.equal(
    names(fairOrder([...line('a', 2), ...line('b', 2, 10), ...line('c', 3, 20)], running, never)),
    'cbcabca',
  );
});

test('of those with as many, the one that was served longest ago comes first, however old what the other has', () => {
  const order = fairOrder([...line('a', 500), waiting('b', 900)], [], (namespace) => (namespace === 'a' ? '2026' : ''));
  assert.equal(names(order.slice(0, 3)), 'baa');
});

test('five hundred of one namespace hold back one of another by no more than one', () => {
  const order = fairOrder([...line('a', 500), waiting('b', 900)], [], never);
  assert.equal(
    order.findIndex(({ namespace }) => namespace === 'b'),
    1,
  );
});

test('who waits for a busy registry holds back nobody who waits for another one', () => {
  const caps = { maxConcurrent: 3, maxConcurrentPerRegistry: 1 };
  const order = [waiting('a', 0), waiting('a', 1), waiting('b', 2, 'other.test'), waiting('c', 3, 'third.test')];
  const running = [{ namespace: 'z', registry: 'r.test' }];
  assert.equal(names(served(order, running, caps)), 'bc');
});

test('more running than allowed, after the cap was lowered, frees no place', () => {
  const running = line('z', 3);
  assert.deepEqual(served(line('a', 2), running, { maxConcurrent: 2, maxConcurrentPerRegistry: 2 }), []);
});

/** A cluster of up to five namespaces and three registries. */
function cluster(seed: number): { waiting: Waiting[]; running: Running[]; caps: Caps } {
  const random = seededRandom(seed);
  const one = (turn: number): Waiting =>
    waiting(random.pick(['a', 'b', 'c', 'd', 'e']), turn, random.pick(['r.test', 'r.test', 's.test', 't.test']));
  return {
    waiting: Array.from({ length: random.int(30) }, (_, turn) => one(turn)),
    running: Array.from({ length: random.int(6) }, () => one(0)),
    caps: { maxConcurrent: 1 + random.int(6), maxConcurrentPerRegistry: 1 + random.int(3) },
  };
}

test('whatever waits: nobody is forgotten or doubled, no cap is broken, and no place is left idle that somebody could use', () => {
  for (let seed = 0; seed < 2000; seed += 1) {
    const { waiting: all, running, caps } = cluster(seed);
    const order = fairOrder(all, running, never);
    assert.deepEqual(new Set(order), new Set(all));
    assert.equal(order.length, all.length);
    const got = served(order, running, caps);
    const after = [...running, ...got];
    const at = (registry: string, work: readonly Running[]): number =>
      work.filter((each) => each.registry === registry).length;
    assert.ok(got.length === 0 || after.length <= caps.maxConcurrent, `seed ${seed}`);
    for (const { registry } of got) {
      assert.ok(at(registry, after) <= caps.maxConcurrentPerRegistry, `seed ${seed}`);
    }
    if (after.length < caps.maxConcurrent) {
      const left = all.filter((each) => !got.includes(each));
      assert.ok(
        left.every(({ registry }) => at(registry, after) >= caps.maxConcurrentPerRegistry),
        `seed ${seed}`,
      );
    }
  }
});

test('whatever waits: at no point of the order has a namespace been given two more than one that still waits', () => {
  for (let seed = 0; seed < 500; seed += 1) {
    const { waiting: all } = cluster(seed);
    const order = fairOrder(all, [], never);
    for (let end = 1; end <= order.length; end += 1) {
      const given = (namespace: string): number =>
        order.slice(0, end).filter((each) => each.namespace === namespace).length;
      const still = new Set(order.slice(end).map(({ namespace }) => namespace));
      const most = Math.max(...order.slice(0, end).map(({ namespace }) => given(namespace)));
      for (const namespace of still) {
        assert.ok(given(namespace) >= most - 1, `seed ${seed}`);
      }
    }
  }
});

test('nobody starves: while others keep asking, one waits for no more rounds than there are namespaces', () => {
  for (const maxConcurrent of [1, 2, 4]) {
    const caps = { maxConcurrent, maxConcurrentPerRegistry: maxConcurrent };
    const last = new Map<string, string>();
    const mine = waiting('z', 999_999);
    let rounds = 0;
    for (let found = false; !found; rounds += 1) {
      // The others never run out, and what they ask for is always older.
      const all = [mine, ...['a', 'b', 'c', 'd'].flatMap((namespace) => line(namespace, 20))];
      const got = served(
        fairOrder(all, [], (namespace) => last.get(namespace) ?? '0'),
        [],
        caps,
      );
      assert.equal(got.length, maxConcurrent);
      for (const { namespace } of got) {
        last.set(namespace, String(1 + rounds).padStart(6, '0'));
      }
      found = got.includes(mine);
      assert.ok(rounds < 5, `${maxConcurrent} at once`);
    }
    assert.ok(rounds <= Math.ceil(5 / maxConcurrent));
  }
});
