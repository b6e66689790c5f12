import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { pino } from 'pino';
import type { Secret } from '../../kube/resources.ts';
import type { Change } from '../../runtime/store.ts';
import type { Certificate } from '../server.ts';
import { encodeContents, type SecretContents } from './contents.ts';
import { renew } from './policy.ts';
import { serveCertificate } from './serve.ts';

const NOW = new Date('2026-03-01T00:00:00Z');
const NAME = { namespace: 'slipstream-system', name: 'tls' };

let contents: SecretContents;
let renewed: SecretContents;

before(async () => {
  contents = await renew('create', undefined, ['localhost'], NOW);
  renewed = await renew('issue-leaf', contents, ['localhost'], NOW);
});

interface Fixture {
  served: string[];
  change: (change: Change<Secret>) => void;
}

function setUp(): Fixture {
  const handlers: ((change: Change<Secret>) => void)[] = [];
  const served: string[] = [];
  serveCertificate(
    { onChange: (handler) => void handlers.push(handler) },
    NAME,
    { setCertificate: ({ cert }: Certificate) => void served.push(cert) },
    pino({ level: 'silent' }),
  );
  return {
    served,
    change(change) {
      for (const handler of handlers) {
        handler(change);
      }
    },
  };
}

function secret(data: SecretContents, metadata: object = NAME): Secret {
  return { metadata: { ...NAME, ...metadata }, data: encodeContents(data) };
}

test('a certificate is served when the Secret appears and each time it is renewed', () => {
  const { served, change } = setUp();
  const old = secret(contents);
  change({ type: 'added', object: old });
  change({ type: 'updated', old, object: secret(renewed) });
  assert.deepEqual(served, [contents.cert, renewed.cert]);
});

test('a change of anything else in the Secret disturbs no connection', () => {
  const { served, change } = setUp();
  const old = secret(contents);
  change({ type: 'added', object: old });
  change({ type: 'updated', old, object: { ...old, metadata: { ...old.metadata, labels: { a: 'b' } } } });
  assert.equal(served.length, 1);
});

test('a Secret that was deleted or spoilt leaves the server with what it has', () => {
  const { served, change } = setUp();
  const old = secret(contents);
  change({ type: 'added', object: old });
  change({ type: 'updated', old, object: secret({ ...contents, key: renewed.key }) });
  change({ type: 'deleted', object: old });
  assert.deepEqual(served, [contents.cert]);
});

test('another Secret is passed over', () => {
  const { served, change } = setUp();
  change({ type: 'added', object: secret(contents, { name: 'other' }) });
  change({ type: 'added', object: secret(contents, { namespace: 'team-a' }) });
  assert.deepEqual(served, []);
});
