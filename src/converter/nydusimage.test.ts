import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ConvertError } from './errors.ts';
import {
  builderVersion,
  createArguments,
  mergeArguments,
  parseVersion,
  readReport,
  runNydusImage,
} from './nydusimage.ts';

const never = new AbortController().signal;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nydusimage-'));
});
after(() => rm(folder, { recursive: true }));

/** A program that stands in for nydus-image where only its life and death matter. */
async function program(script: string): Promise<string> {
  const path = join(folder, `program-${Math.random().toString(36).slice(2)}`);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

describe('the arguments of nydus-image', () => {
  const options = { tar: 'layer.tar', blob: 'blob', report: 'report.json', compressor: 'zstd' } as const;

  test('create a RAFS v6 blob as nydus-snapshotter does, with a report', () => {
    assert.equal(
      createArguments({ ...options, fsVersion: '6' }).join(' '),
      'create --log-level warn --prefetch-policy fs --blob blob --whiteout-spec none --fs-version 6 --type tar-rafs ' +
        '--blob-inline-meta --features blob-toc --compressor zstd --output-json report.json layer.tar',
    );
  });

  test('create a RAFS v5 blob without a table of contents, which v5 does not know', () => {
    assert.equal(
      createArguments({ ...options, fsVersion: '5' }).join(' '),
      'create --log-level warn --prefetch-policy fs --blob blob --whiteout-spec none --fs-version 5 --type tar-rafs ' +
        '--blob-inline-meta --compressor zstd --output-json report.json layer.tar',
    );
  });

  test('merge trees in the order of the layers', () => {
    assert.equal(
      mergeArguments({ bootstraps: ['lower', 'upper', 'lower'], bootstrap: 'image.boot', report: 'report.json' }).join(
        ' ',
      ),
      'merge --log-level warn --prefetch-policy fs --output-json report.json --bootstrap image.boot lower upper lower',
    );
  });
});

describe('running nydus-image', () => {
  test('gives it the prefetch paths on standard input, one a line', async () => {
    const out = join(folder, 'stdin');
    await runNydusImage(await program(`cat > ${out}`), ['merge'], ['/usr/bin/python3', '/etc'], never);
    assert.equal(await readFile(out, 'utf8'), '/usr/bin/python3\n/etc');
  });

  test('gives it an empty standard input where nothing is to be prefetched', async () => {
    const out = join(folder, 'stdin');
    await runNydusImage(await program(`cat > ${out}`), ['create'], [], never);
    assert.equal(await readFile(out, 'utf8'), '');
  });

  test('fails for now with the last lines that it printed, whatever it printed before', async () => {
    const path = await program('yes noise | head -100000; echo out of space >&2; exit 3');
    await assert.rejects(runNydusImage(path, ['create'], [], never), (error) => {
      assert.ok(error instanceof ConvertError);
      assert.match(error.message, /^nydus-image create exited with 3: .*out of space$/);
      assert.ok(error.message.length < 1000);
      assert.equal(error.reason, 'ConversionFailed');
      assert.equal(error.permanent, false);
      return true;
    });
  });

  test('shows none of the bytes that are no text', async () => {
    const path = await program(`printf 'bad name \\001\\033[31m of a file\\n' >&2; exit 1`);
    await assert.rejects(runNydusImage(path, ['create'], [], never), /exited with 1: bad name {1,2}\[31m of a file$/);
  });

  test('fails for now when it is killed, as the kernel does when memory is short', async () => {
    const path = await program('kill -KILL $$');
    await assert.rejects(runNydusImage(path, ['create'], [], never), {
      message: 'nydus-image create was killed by SIGKILL: it printed nothing',
      permanent: false,
    });
  });

  test('fails when it is not there', async () => {
    await assert.rejects(
      runNydusImage(join(folder, 'missing'), ['create'], [], never),
      /cannot run nydus-image at .*missing/,
    );
  });

  test('kills it when the conversion is stopped', async () => {
    const stop = new AbortController();
    const ready = join(folder, 'ready');
    const path = await program(`mkfifo ${ready}; echo > ${ready}; exec sleep 600`);
    const running = runNydusImage(path, ['create'], [], stop.signal);
    while ((await readFile(ready, 'utf8').catch(() => '')) === '') {
      await new Promise((resolve) => setImmediate(resolve));
    }
    stop.abort(new Error('told to stop'));
    await assert.rejects(running, /told to stop/);
  });
});

describe('the version of nydus-image', () => {
  test('is the one that it prints', async () => {
    const path = await program(`printf 'nydus-image \\rVersion: \\tv2.2.0\\nGit Commit: \\tabc\\n'`);
    assert.equal(await builderVersion(path, never), 'v2.2.0');
  });

  test('is told from its file where it knows none, as when it was built from a package', async () => {
    const version = `printf 'nydus-image \\rVersion: \\tunknown\\n'`;
    const one = await builderVersion(await program(version), never);
    const other = await builderVersion(await program(`${version} # another build`), never);
    assert.match(one, /^nydus-image@sha256:[0-9a-f]{12}$/);
    assert.notEqual(one, other);
    assert.equal(one, await builderVersion(await program(version), never));
  });

  test('cannot be guessed from other output', () => {
    assert.throws(() => parseVersion('usage: something else\n'), /printed no version: usage: something else/);
  });

  test('of a program that does not run is an error that says which', async () => {
    await assert.rejects(builderVersion(join(folder, 'missing'), never), /cannot run nydus-image at .*missing/);
  });
});

test('a report is read with its counters', async () => {
  const path = join(folder, 'report.json');
  const events = { blob_compressed_size: 10, dedup_chunks: 2, euid: '0' };
  await writeFile(
    path,
    JSON.stringify({ version: 'v2.2.0-abc', bootstrap: '', blobs: ['a'], trace: { registered_events: events } }),
  );
  assert.deepEqual(await readReport(path), {
    version: 'v2.2.0-abc',
    blobs: ['a'],
    counters: { blob_compressed_size: 10, dedup_chunks: 2 },
  });
});
