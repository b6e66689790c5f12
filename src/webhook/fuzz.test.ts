import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { mutated, validPod, type Json, type Names } from '../../test/gen/pods.ts';
import { seededRandom, type Random } from '../../test/gen/random.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { applyPatch } from '../../test/support/json-patch.ts';
import {
  ARTIFACT_DIGEST,
  capableNode,
  CONFIG,
  DEFAULT_SNAPSHOTTER,
  indexOf,
  NOW,
  OTHER_DIGEST,
  plainNode,
  readyImage,
  SOURCE_DIGEST,
} from '../../test/support/rewriting.ts';
import type { Operation } from '../rewriting/patch.ts';
import { createReviewer, type Reviewer } from './mutate.ts';

const REVIEWS = 100_000;
const SEED = 20_261_123;

const NAMES: Names = {
  images: [
    'registry.test/web:1',
    'registry.test/web:1',
    `registry.test/web:1@${SOURCE_DIGEST}`,
    `registry.test/web@${OTHER_DIGEST}`,
    `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`,
    'Registry.TEST/far:1',
    `mirror.test/far:1-nydus@${ARTIFACT_DIGEST}`,
    'registry.test/unready:1',
    'registry.test/other:1',
    'python',
    'not an image',
    '[::1]:5000/a@b@c',
  ],
  labels: [
    ['pool', 'nydus'],
    ['pool', 'plain'],
    ['slipstream.dev/nydus', 'true'],
  ],
  nodes: ['n1', 'p1', 'gone'],
};

const images = [
  readyImage('web', 'registry.test/web:1'),
  readyImage('far', 'registry.test/far:1', {
    spec: { source: { pullSecretRef: { name: 'pull' } } },
    status: { artifact: { image: `mirror.test/far:1-nydus@${ARTIFACT_DIGEST}` } },
  }),
  readyImage('unready', 'registry.test/unready:1', { status: { conditions: [] } }),
];
const nodes = [
  capableNode('n1', { metadata: { labels: { pool: 'nydus' } } }),
  plainNode('p1', { metadata: { labels: { pool: 'plain' } } }),
];

/** One reviewer per way to run Nydus; an error that it would log fails the test. */
const reviewers = [CONFIG, DEFAULT_SNAPSHOTTER].map((config): Reviewer => {
  const index = indexOf({ config, images, nodes: config === CONFIG ? nodes : nodes.slice(0, 1) });
  const log = pino(
    { level: 'error' },
    {
      write(line: string) {
        throw new Error(line);
      },
    },
  );
  return createReviewer({
    index,
    clock: new FakeClock(NOW),
    metrics: { observe: () => undefined },
    log,
    notify: () => undefined,
  });
});

function reviewOf(random: Random): Json {
  const pod = validPod(random, NAMES);
  const ephemeral = random.chance(0.2);
  const added = [{ name: 'shell', image: random.pick(NAMES.images) }];
  const changed = ephemeral ? { ...pod, spec: { ...(pod['spec'] as Json), ephemeralContainers: added } } : pod;
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u1',
      operation: ephemeral ? 'UPDATE' : 'CREATE',
      resource: { group: '', version: 'v1', resource: 'pods' },
      ...(ephemeral ? { subResource: 'ephemeralcontainers', oldObject: pod } : {}),
      namespace: 'team-a',
      object: random.chance(0.7) ? mutated(random, changed) : changed,
    },
  };
}

/** What the API server reads of an answer. Fails where it would not take it. */
function patchIn(review: Reviewer, body: string): readonly Operation[] | undefined {
  const answer = review(body);
  if (answer === undefined) {
    return undefined;
  }
  const { uid, allowed, patch, patchType } = answer.response;
  assert.equal(allowed, true);
  assert.ok(body.includes(`"uid":${JSON.stringify(uid)}`));
  assert.equal(patchType, patch === undefined ? undefined : 'JSONPatch');
  return patch === undefined ? [] : (JSON.parse(Buffer.from(patch, 'base64').toString()) as Operation[]);
}

test(`${REVIEWS} reviews of any shape are allowed; each patch applies, and a second pass changes nothing`, () => {
  const random = seededRandom(SEED);
  let patched = 0;
  let unanswered = 0;
  for (let round = 0; round < REVIEWS; round += 1) {
    const envelope = reviewOf(random);
    // Now and then the envelope is broken as well.
    const body = JSON.stringify(random.chance(0.05) ? mutated(random, envelope) : envelope);
    const review = reviewers[round % reviewers.length];
    assert.ok(review);
    try {
      const patch = patchIn(review, body);
      if (patch === undefined) {
        unanswered += 1;
      } else if (patch.length > 0) {
        patched += 1;
        const read = JSON.parse(body) as { request: Json };
        const object = applyPatch(read.request['object'], patch);
        assert.deepEqual(patchIn(review, JSON.stringify({ request: { ...read.request, object } })), []);
      }
    } catch (error) {
      throw new Error(`round ${round} of seed ${SEED}: ${body.slice(0, 4000)}`, { cause: error });
    }
  }
  // That it tries something: most Pods name an image that is accelerated.
  assert.ok(patched > REVIEWS / 10, `${patched} patches`);
  assert.ok(unanswered < REVIEWS / 20, `${unanswered} without an answer`);
});
