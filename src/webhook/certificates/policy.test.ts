import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { issueServing } from './authority.ts';
import type { SecretContents } from './contents.ts';
import { plan, PROPAGATION_MS, renew, type Action } from './policy.ts';

const DAY = 24 * 60 * 60 * 1000;
const START = new Date('2026-03-01T00:00:00Z');
const NAMES = ['slipstream-webhook.slipstream-system.svc', 'slipstream-webhook.slipstream-system'];

let fresh: SecretContents;

before(async () => {
  fresh = await renew('create', undefined, NAMES, START);
});

function later(ms: number): Date {
  return new Date(START.getTime() + ms);
}

function actionAt(now: Date, contents: SecretContents | undefined, names = NAMES): Action {
  return plan(now, contents, names).action;
}

/** Carries out what is due, as often as something is. */
async function upkeep(now: Date, contents: SecretContents): Promise<SecretContents> {
  const { action } = plan(now, contents, NAMES);
  return action === 'keep' ? contents : upkeep(now, await renew(action, contents, NAMES, now));
}

/** Whether a client that trusts the bundle would talk to who serves the certificate. */
function trusts(bundle: readonly string[], cert: string): boolean {
  const serving = new X509Certificate(cert);
  return bundle.some((pem) => {
    const authority = new X509Certificate(pem);
    return serving.checkIssued(authority) && serving.verify(authority.publicKey);
  });
}

test('without a Secret everything is created', () => assert.equal(actionAt(START, undefined), 'create'));

test('what was created is kept, and due again when a third of the serving certificate is left', () => {
  const { action, dueAt } = plan(START, fresh, NAMES);
  assert.equal(action, 'keep');
  assert.deepEqual(dueAt, later(60 * DAY));
  assert.equal(actionAt(later(60 * DAY - 1), fresh), 'keep');
  assert.equal(actionAt(later(60 * DAY), fresh), 'issue-leaf');
});

test('a renewed serving certificate is of the same authority, so that nobody has to learn to trust it', async () => {
  const renewed = await renew('issue-leaf', fresh, NAMES, later(60 * DAY));
  assert.deepEqual(renewed.bundle, fresh.bundle);
  assert.notEqual(renewed.cert, fresh.cert);
  assert.ok(trusts(fresh.bundle, renewed.cert));
  assert.equal(actionAt(later(60 * DAY), renewed), 'keep');
});

describe('a Secret that cannot be gone on with', () => {
  const broken: Record<string, [Partial<SecretContents>, Action]> = {
    'has no authority': [{ bundle: [] }, 'create'],
    'has an authority that is no certificate': [
      { bundle: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'] },
      'create',
    ],
    'has no key of the authority': [{ authorityKey: '' }, 'create'],
    'has no serving certificate': [{ cert: '' }, 'issue-leaf'],
    'has no key of the serving certificate': [{ key: '' }, 'issue-leaf'],
    'has a text for a key': [{ key: 'a key' }, 'issue-leaf'],
  };
  for (const [name, [contents, expected]] of Object.entries(broken)) {
    test(`${name}: ${expected}`, async () => {
      const found = { ...fresh, ...contents };
      assert.equal(actionAt(START, found), expected);
      assert.equal(actionAt(START, await upkeep(START, found)), 'keep');
    });
  }

  test('has the key of another authority: create', async () => {
    const other = await renew('create', undefined, NAMES, START);
    assert.equal(actionAt(START, { ...fresh, authorityKey: other.authorityKey }), 'create');
  });

  test('has a serving certificate that no authority of the bundle signed: issue-leaf', async () => {
    const other = await renew('create', undefined, NAMES, START);
    assert.equal(actionAt(START, { ...fresh, cert: other.cert, key: other.key }), 'issue-leaf');
  });

  test('has expired altogether: create', () => assert.equal(actionAt(later(366 * DAY), fresh), 'create'));

  test('has a serving certificate that has expired while nobody looked: issue-leaf', () => {
    assert.equal(actionAt(later(91 * DAY), fresh), 'issue-leaf');
  });
});

test('a new name is added at once, and one that is not asked for any more does no harm', () => {
  assert.equal(
    actionAt(START, fresh, [...NAMES, 'slipstream-webhook.slipstream-system.svc.cluster.local']),
    'issue-leaf',
  );
  assert.equal(actionAt(START, fresh, NAMES.slice(0, 1)), 'keep');
});

test('an authority is replaced when a third of its life is left, and no moment passes in which its clients trust nothing served', async () => {
  let contents = fresh;
  for (const day of [60, 120, 180, 240]) {
    contents = await upkeep(later(day * DAY), contents);
  }
  const due = later((365 * DAY * 2) / 3);
  const old = contents;
  assert.equal(contents.bundle.length, 1);

  const rotation = new Date(Math.max(due.getTime(), later(244 * DAY).getTime()));
  assert.equal(actionAt(rotation, contents), 'rotate-ca');
  const rotated = await renew('rotate-ca', contents, NAMES, rotation);
  assert.equal(rotated.bundle.length, 2);
  assert.equal(rotated.cert, old.cert, 'still what every API server trusts');
  assert.ok(trusts(rotated.bundle, old.cert));

  const { action, dueAt } = plan(rotation, rotated, NAMES);
  assert.equal(action, 'keep');
  assert.deepEqual(dueAt, new Date(rotation.getTime() + PROPAGATION_MS));
  const switched = await upkeep(new Date(rotation.getTime() + PROPAGATION_MS), rotated);
  assert.notEqual(switched.cert, old.cert);
  assert.ok(trusts(rotated.bundle, switched.cert), 'by those who have seen both authorities');
  assert.ok(trusts(switched.bundle, old.cert), 'for replicas that still serve the old certificate');
  assert.equal(trusts(old.bundle, switched.cert), false);

  const [first] = switched.bundle;
  assert.ok(first);
  assert.ok(trusts([first], switched.cert));
});

test('expired authorities leave the bundle with the next certificate', async () => {
  const rotated = await renew('rotate-ca', fresh, NAMES, later(300 * DAY));
  const renewed = await renew('issue-leaf', rotated, NAMES, later(366 * DAY));
  assert.deepEqual(renewed.bundle, rotated.bundle.slice(0, 1));
});

test('a serving certificate that is needed now does not wait for a young authority to be known', async () => {
  const rotated = await renew('rotate-ca', fresh, NAMES, later(89 * DAY));
  assert.equal(actionAt(later(89 * DAY + PROPAGATION_MS / 2), rotated), 'keep');
  assert.equal(actionAt(later(91 * DAY), rotated), 'issue-leaf');
});

test('over three years of daily upkeep, what is served is always trusted by the bundle of the day before', async () => {
  let contents = fresh;
  for (let day = 1; day < 3 * 365; day += 1) {
    const bundle = contents.bundle;
    // Twice a day, so that a new authority and its first certificate are two steps.
    contents = await upkeepOnce(later(day * DAY), contents);
    assert.ok(trusts(bundle, contents.cert), `on day ${day}`);
    assert.ok(contents.bundle.length <= 3);
    assert.ok(new X509Certificate(contents.cert).validToDate > later(day * DAY));
  }
});

async function upkeepOnce(now: Date, contents: SecretContents): Promise<SecretContents> {
  const { action } = plan(now, contents, NAMES);
  return action === 'keep' ? contents : renew(action, contents, NAMES, now);
}

test('a serving certificate is for TLS servers of its names only, and its authority for nothing but signing', async () => {
  const authority = { cert: fresh.bundle[0] ?? '', key: fresh.authorityKey };
  const serving = new X509Certificate((await issueServing(authority, NAMES, START)).cert);
  assert.equal(serving.subjectAltName, NAMES.map((name) => `DNS:${name}`).join(', '));
  assert.deepEqual(serving.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  assert.equal(serving.ca, false);
  assert.equal(serving.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  assert.equal(new X509Certificate(authority.cert).ca, true);
});
