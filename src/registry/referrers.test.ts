import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { RegistryClient } from './client.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const SUBJECT = `sha256:${'a'.repeat(64)}`;
const REFERRER = {
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: `sha256:${'b'.repeat(64)}`,
  size: 7,
  artifactType: 'application/vnd.example',
};
const LIST = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [REFERRER] });

/** What a client is told of the referrers by a registry that has these paths and no others. */
async function referrersOf(paths: Readonly<Record<string, string>>, missing = 404): Promise<unknown> {
  const server = createServer((request, response) => {
    const body = paths[request.url ?? ''];
    response.writeHead(body === undefined ? missing : 200, { 'content-type': INDEX }).end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new RegistryClient({ registries: { [host]: { plainHTTP: true } }, userAgent: 'test', retryDelay: 1 });
  try {
    return await client.referrers({ registry: host, repository: 'web' }, SUBJECT);
  } finally {
    await client.close();
    await once(server.close(), 'close');
  }
}

test('referrers are those that the registry lists', async () => {
  assert.deepEqual(await referrersOf({ [`/v2/web/referrers/${SUBJECT}`]: LIST }), [REFERRER]);
});

test('where the registry does not know of referrers, they are those under the tag that stands in for that', async () => {
  assert.deepEqual(await referrersOf({ [`/v2/web/manifests/${SUBJECT.replace(':', '-')}`]: LIST }), [REFERRER]);
});

test('no referrers are no error', async () => {
  assert.deepEqual(await referrersOf({}), []);
});

test('a registry that does not answer has not said that there are none', async () => {
  await assert.rejects(referrersOf({}, 503));
});
