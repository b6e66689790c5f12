import assert from 'node:assert/strict';
import { test } from 'node:test';
import { job } from '../../../test/gen/objects.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import type { Job } from '../../kube/resources.ts';
import { Store } from '../../runtime/store.ts';
import { StartedJobs } from './started-jobs.ts';

function names(started: StartedJobs): string[] {
  return started.list().map(({ metadata }) => metadata.name);
}

test('a Job counts from when it is made until the cache has it', () => {
  const cache = new Store<Job>();
  const started = new StartedJobs(cache, new FakeClock());
  started.add(job('a'));
  started.add(job('b'));
  assert.deepEqual(names(started), ['a', 'b']);
  cache.upsert(job('a'));
  assert.deepEqual(names(started), ['b']);
});

test('one that could not be made counts no more', () => {
  const started = new StartedJobs(new Store<Job>(), new FakeClock());
  started.add(job('a'));
  started.remove(job('a'));
  assert.deepEqual(names(started), []);
});

test('one that was gone before the cache could see it does not keep its place for ever', async () => {
  const clock = new FakeClock();
  const started = new StartedJobs(new Store<Job>(), clock);
  started.add(job('a'));
  await clock.advance(30_000);
  assert.deepEqual(names(started), ['a']);
  await clock.advance(1);
  assert.deepEqual(names(started), []);
});
