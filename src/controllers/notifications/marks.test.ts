import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage } from '../../../test/gen/objects.ts';
import { FakeClock, settle } from '../../../test/support/fake-clock.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { createMarks, type Marks } from './marks.ts';

interface Api {
  marks: Marks;
  clock: FakeClock;
  /** Writes that were sent: name and time of the mark. */
  sent: string[];
  /** Answers the oldest write that is open. */
  answer: (error?: Error) => Promise<void>;
}

function start(): Api {
  const clock = new FakeClock();
  const sent: string[] = [];
  const open: PromiseWithResolvers<object>[] = [];
  const apply = (
    _resource: unknown,
    object: { metadata: { name: string }; status: { notification: { at: string } } },
  ) => {
    sent.push(`${object.metadata.name} ${object.status.notification.at.slice(17, -1)}`);
    const answer = Promise.withResolvers<object>();
    open.push(answer);
    return answer.promise;
  };
  return {
    marks: createMarks({ apply } as unknown as Pick<KubeClient, 'apply'>, clock),
    clock,
    sent,
    async answer(error) {
      const oldest = open.shift();
      if (error === undefined) {
        oldest?.resolve({});
      } else {
        oldest?.reject(error);
      }
      await settle();
    },
  };
}

const WEB = acceleratedImage('web');

test('an object is marked at once, and whoever asked knows when it is', async () => {
  const { marks, sent, answer } = start();
  let done = false;
  const mark = marks.mark(WEB).then(() => (done = true));
  await settle();
  assert.deepEqual([sent, done], [['web 00.000'], false]);
  await answer();
  await mark;
});

test('of a flood, one mark is written every quarter of a second, and each is answered by one that began after it', async () => {
  const { marks, clock, sent, answer } = start();
  const first = marks.mark(WEB);
  await settle();
  const flood = Promise.all(Array.from({ length: 1000 }, () => marks.mark(WEB)));
  await answer();
  await first;
  assert.equal(marks.isRecent('team-a/web'), true);
  assert.deepEqual(sent, ['web 00.000']);
  await clock.advance(249);
  assert.equal(sent.length, 1);
  await clock.advance(1);
  await settle();
  assert.deepEqual(sent, ['web 00.000', 'web 00.250']);
  await answer();
  await flood;
  await clock.advance(250);
  assert.equal(marks.isRecent('team-a/web'), false);
});

test('objects do not wait for one another, but not more than eight are written at once', async () => {
  const { marks, sent, answer } = start();
  const all = Array.from({ length: 10 }, (_, index) => marks.mark(acceleratedImage(`web-${index}`)));
  await settle();
  assert.equal(sent.length, 8);
  await answer();
  await answer();
  await settle();
  assert.equal(sent.length, 10);
  for (let open = 8; open > 0; open -= 1) {
    await answer();
  }
  await Promise.all(all);
});

test('an API server that does not take it is an error, and the next one is tried', async () => {
  const { marks, clock, sent, answer } = start();
  const failed = assert.rejects(marks.mark(WEB), /no room/);
  await settle();
  await answer(new KubeError('no room', { code: 503, reason: 'Unknown' }));
  await failed;
  const next = marks.mark(WEB);
  await clock.advance(250);
  await settle();
  assert.equal(sent.length, 2);
  await answer();
  await next;
});

test('an object that is gone needs no mark', async () => {
  const { marks, answer } = start();
  const mark = marks.mark(WEB);
  await settle();
  await answer(new KubeError('not found', { code: 404, reason: 'NotFound' }));
  await mark;
});
