import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadConfig, rewriteConfig } from './config.ts';

const MINIMAL = 'conversion: { image: slipstream:test }';

let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipstream-config-'));
});

after(() => rm(directory, { recursive: true }));

async function configOf(...lines: string[]): ReturnType<typeof loadConfig> {
  const path = join(directory, 'config.yaml');
  await writeFile(path, lines.join('\n'));
  return await loadConfig(path);
}

test('the image of the conversion Jobs is all that has to be said', async () => {
  const { conversion, webhook } = await configOf(MINIMAL);
  assert.equal(conversion.image, 'slipstream:test');
  assert.deepEqual(webhook, { clientCA: '', clientNames: [] });
});

test('Pods of built-in workloads and of listed kinds may be rewritten, those of excluded kinds not', async () => {
  const config = await configOf(
    MINIMAL,
    'rewriting: { extraOwnerKinds: [A.b, C.d], excludedOwnerKinds: [A.b, Job.batch] }',
  );
  const { ownerKinds } = rewriteConfig(config, 'slipstream-system');
  assert.deepEqual(ownerKinds, [
    'ReplicaSet.apps',
    'StatefulSet.apps',
    'DaemonSet.apps',
    'ReplicationController',
    'C.d',
  ]);
});

test('a provider has limits, unless told otherwise', async () => {
  const { providers } = await configOf(
    MINIMAL,
    'providers:',
    '- { name: a, type: seedPeers, endpoints: [http://10.0.0.7:4001] }',
    '- { name: b, type: seedPeers, endpoints: [http://10.0.0.7:4001], maxConcurrentBlobs: 2, maxSeedBytes: 80Gi }',
  );
  assert.deepEqual(
    providers.map((each) => [each.maxConcurrentBlobs, each.maxConcurrentBlobsPerRegistry, each.maxSeedBytes]),
    [
      [32, 16, undefined],
      [2, 16, 80 * 1024 ** 3],
    ],
  );
});

const refused: Record<string, [line: string, complaint: RegExp]> = {
  'an unknown setting': ['colour: red', /colour/],
  'what is no YAML': ['registries: [', /is not YAML/],
  'a provider of which nothing can be read back': [
    'providers: [{ name: default, type: seedPeers }]',
    /needs endpoints or a service/,
  ],
  'a provider that may do nothing': [
    'providers: [{ name: a, type: seedPeers, endpoints: [http://10.0.0.7:4001], maxConcurrentBlobs: 0 }]',
    /maxConcurrentBlobs/,
  ],
  'an authority of callers that is no certificate': ['webhook: { clientCA: nonsense }', /no certificate in PEM/],
  'names of callers who show no certificate': ['webhook: { clientNames: [kube-apiserver] }', /needs clientCA/],
};
for (const [what, [line, complaint]] of Object.entries(refused)) {
  test(`${what} is refused by name`, async () => {
    await assert.rejects(configOf(MINIMAL, line), { name: 'ConfigError', message: complaint });
  });
}

test('a file that is not there is named', async () => {
  await assert.rejects(loadConfig(join(directory, 'nowhere.yaml')), /cannot read .*nowhere\.yaml/);
});
