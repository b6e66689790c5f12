import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { startFaultyRegistry, type FaultyRegistry } from '../../test/doubles/faulty-registry.ts';
import { runReplicateCommand, type ReplicateCommand } from './command.ts';
import { ReplicateResult } from './result.ts';

let folder: string;
let registry: FaultyRegistry;
let lines: string[];
let command: ReplicateCommand;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replicate-command-'));
  registry = await startFaultyRegistry();
  const { digest } = registry.addImage('web', '1-nydus');
  lines = [];
  command = {
    request: JSON.stringify({
      images: [{ role: 'artifact', from: `${registry.host}/web@${digest}`, to: `${registry.host}/eu/web:1-nydus` }],
      registries: { [registry.host]: { plainHTTP: true } },
    }),
    terminationMessage: join(folder, 'termination-log'),
    userAgent: 'slipstream/test',
    logLevel: 'info',
    stdout: { write: (line) => void lines.push(line) },
  };
});
afterEach(async () => {
  await registry.close();
  await rm(folder, { recursive: true });
});

async function runAndRead(): Promise<{ code: number; result: ReplicateResult }> {
  const code = await runReplicateCommand(command, new AbortController().signal);
  return { code, result: ReplicateResult.parse(JSON.parse(await readFile(command.terminationMessage, 'utf8'))) };
}

test('the worker leaves what it copied as its termination message, and its progress in the log', async () => {
  const { code, result } = await runAndRead();
  assert.equal(code, 0);
  assert.ok(result.ok && result.blobs.mounted === 2, JSON.stringify(result));
  const progress = lines.flatMap((line) => (JSON.parse(line) as { progress?: { percent: number } }).progress ?? []);
  assert.equal(progress.at(-1)?.percent, 100);
});

test('each registry gets the credentials of its own part, and none is shown', async () => {
  registry.requireAuthorization({ scheme: 'Basic', users: { ann: 'hunter2' } });
  command.replicaConfig = join(folder, 'replica.json');
  command.artifactConfig = join(folder, 'artifact.json');
  const auths = { [registry.host]: { username: 'ann', password: 'hunter2' } };
  await writeFile(command.replicaConfig, JSON.stringify({ auths }));
  await writeFile(command.artifactConfig, JSON.stringify({ auths: {} }));
  assert.equal((await runAndRead()).code, 3);
  await writeFile(command.artifactConfig, JSON.stringify({ auths }));
  assert.equal((await runAndRead()).code, 0);
  assert.ok(!lines.join('').includes('hunter2'));
});

test('a request that is none is refused for good, and the message names what is wrong', async () => {
  command.request = JSON.stringify({ images: [], registries: {} });
  const { code, result } = await runAndRead();
  assert.equal(code, 3);
  assert.ok(!result.ok && result.reason === 'InvalidSpec' && result.message.includes('images'));
});

test('credentials that are not there are said so', async () => {
  command.replicaConfig = join(folder, 'missing');
  const { code, result } = await runAndRead();
  assert.equal(code, 3);
  assert.ok(!result.ok && result.reason === 'CredentialsMissing');
});
