import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { toolPath } from '../../hack/tools/locate.ts';
import { runConvertCommand } from '../../src/converter/command.ts';
import { ConvertResult } from '../../src/converter/result.ts';
import { pushImage } from '../support/image-builder.ts';
import { startHarness } from './harness.ts';
import { smallImage } from './images.ts';

test('the worker reports progress as log lines and the result as its termination message', async () => {
  await using harness = await startHarness();
  const { host, workDir } = harness;
  await pushImage(host, 'app', '1', [await smallImage('content')]);
  const [terminationMessage, config] = [join(workDir, 'termination-log'), join(workDir, 'config.json')];
  await writeFile(config, JSON.stringify({ auths: { [host]: { username: 'somebody', password: 'secret' } } }));
  const lines: string[] = [];

  const code = await runConvertCommand(
    {
      request: JSON.stringify({
        source: `${host}/app:1`,
        target: `${host}/app:1-nydus`,
        platforms: ['linux/amd64'],
        format: 'RafsV6',
        compressor: 'zstd',
        prefetchPaths: [],
        optionsHash: 'options',
        workDir,
        registries: { [host]: { plainHTTP: true } },
      }),
      sourceConfig: config,
      nydusImage: toolPath('nydus-image'),
      terminationMessage,
      userAgent: 'slipstream/test',
      logLevel: 'info',
      stdout: { write: (line) => void lines.push(line) },
    },
    new AbortController().signal,
  );

  const result = ConvertResult.parse(JSON.parse(await readFile(terminationMessage, 'utf8')));
  assert.equal(code, 0);
  assert.ok(result.ok, JSON.stringify(result));
  const progress = lines.flatMap((line) => (JSON.parse(line) as { progress?: { percent: number } }).progress ?? []);
  assert.equal(progress.at(-1)?.percent, 100);
  assert.ok(!lines.join('').includes('secret'));
});
