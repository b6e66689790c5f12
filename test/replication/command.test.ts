import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ReplicateResult } from '../../src/replication/result.ts';
import { startFaultyRegistry } from '../doubles/faulty-registry.ts';
import { MAIN, run } from '../support/cli.ts';

test('the program copies as its Job asks, and ends with the code that the Job knows', async () => {
  const [near, far] = await Promise.all([startFaultyRegistry(), startFaultyRegistry()]);
  const folder = await mkdtemp(join(tmpdir(), 'replicate-test-'));
  try {
    const { digest } = near.addImage('web', '1-nydus');
    const message = join(folder, 'termination-log');
    const registries = { [near.host]: { plainHTTP: true }, [far.host]: { plainHTTP: true } };
    const images = [{ role: 'artifact', from: `${near.host}/web@${digest}`, to: `${far.host}/eu/web:1-nydus` }];
    const args = [MAIN, 'replicate', `--request=${JSON.stringify({ images, registries })}`];
    const { code, stdout } = await run(process.execPath, [...args, `--termination-message=${message}`]);
    assert.equal(code, 0, stdout);
    const result = ReplicateResult.parse(JSON.parse(await readFile(message, 'utf8')));
    assert.deepEqual(result.ok && result.images, [`${far.host}/eu/web:1-nydus@${digest}`]);
    assert.equal(far.content.manifest('eu/web', '1-nydus')?.digest, digest);

    near.content.deleteManifest('web', digest);
    assert.equal((await run(process.execPath, [...args, `--termination-message=${message}`])).code, 3);
  } finally {
    await Promise.all([near.close(), far.close()]);
    await rm(folder, { recursive: true });
  }
});
