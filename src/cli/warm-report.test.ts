import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BlobState } from '../dragonfly/provider.ts';
import type { PlannedImage } from '../warming/plan.ts';
import { complaint, isWarm, reportOfImage } from './warm-report.ts';
import { renderReports, renderSubject, renderWarmJson } from './warm-text.ts';

const MIB = 2 ** 20;

const PLANNED: PlannedImage = {
  image: 'registry.test/web:1',
  digest: 'sha256:aa',
  platform: 'linux/amd64',
  bytes: 6 * MIB,
  warm: {
    manifestUrl: 'https://registry.test/v2/web/manifests/sha256:aa',
    platform: 'linux/amd64',
    blobs: [1, 2, 3].map((size) => ({
      registry: 'registry.test',
      repository: 'web',
      digest: `sha256:${size}`,
      size: size * MIB,
      url: `https://registry.test/v2/web/blobs/sha256:${size}`,
    })),
  },
};

function states(seed: string, cold: Partial<Record<number, BlobState['reason']>> = {}): BlobState[] {
  return [1, 2, 3].map((size) => {
    const reason = cold[size];
    const state = { digest: `sha256:${size}`, seed, warm: reason === undefined };
    return reason === undefined ? state : { ...state, reason, message: `${seed} says ${reason}` };
  });
}

test('an image is warm when every seed peer has all of it', () => {
  const report = reportOfImage(PLANNED, [...states('seed-0'), ...states('seed-1')]);
  assert.ok(isWarm([report]));
  assert.equal(
    renderReports([report]),
    `registry.test/web:1
  linux/amd64, sha256:aa
  SEED PEER  BLOBS  BYTES                 STATE
  seed-0     3/3    6.00 MiB of 6.00 MiB  warm
  seed-1     3/3    6.00 MiB of 6.00 MiB  warm
`,
  );
});

test('a seed peer that has only some of it says why, reason by reason, and the complaint what to do', () => {
  const seed = states('seed-1', { 1: 'OriginRejected', 2: 'Cold', 3: 'Cold' });
  const report = reportOfImage(PLANNED, [...states('seed-0'), ...seed]);
  assert.ok(!isWarm([report]));
  assert.match(
    renderReports([report]),
    /seed-1 {5}0\/3 {4}0 B of 6\.00 MiB {7}Cold \(2\): seed-1 says Cold; OriginRejected: seed-1 says OriginRejected\n/,
  );
  assert.equal(
    complaint([report]),
    'not warm on 1 of 2 seed peers: seed-1 says Cold; run it again; if that changes nothing, look at the log of the seed peer',
  );
});

test('nothing is warm where no seed peer answered for it', () => {
  assert.ok(!isWarm([reportOfImage(PLANNED, [])]));
});

test('what is warmed in place of what was named is said, and why it is not', () => {
  const named = 'registry.test/web:1';
  assert.equal(renderSubject({ named, image: named }), '');
  assert.match(
    renderSubject({ named, image: 'registry.test/web:1-nydus@sha256:aa', acceleratedImage: 'shop/web' }),
    /AcceleratedImage shop\/web has made of it: registry\.test\/web:1-nydus@sha256:aa/,
  );
  assert.match(
    renderSubject({ named, image: named, left: 'NotReady: it converts' }),
    /as it is: NotReady: it converts/,
  );
});

test('programs get the same facts', () => {
  const report = reportOfImage(PLANNED, states('seed-0'));
  const subject = { named: PLANNED.image, image: PLANNED.image };
  assert.deepEqual(JSON.parse(renderWarmJson(subject, [report], true)), { ...subject, warm: true, images: [report] });
});
