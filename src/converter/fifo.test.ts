import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { after, before, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { makeFifos, openFifoReader, openFifoWriter } from './fifo.ts';

const never = new AbortController().signal;
let folder: string;
let path: string;
let count = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fifo-'));
});
after(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  path = join(folder, `fifo-${(count += 1)}`);
  await makeFifos([path], never);
});

describe('what is written', () => {
  test('is not lost when all of it is written before a slow process opens the pipe', async () => {
    // The process says when it is about to open, long after the writer has begun.
    const reader = spawn('sh', ['-c', `read line; cat ${path}`], { stdio: ['pipe', 'pipe', 'inherit'] });
    const output = text(reader.stdout);
    const writing = openFifoWriter(path, never).then((writer) =>
      pipeline(Readable.from([Buffer.from('tiny')]), writer),
    );
    reader.stdin.end('go\n');
    await writing;
    assert.equal(await output, 'tiny');
  });

  test('is as long as it is, far beyond what a pipe holds', async () => {
    const reader = spawn('sh', ['-c', `wc -c < ${path}`], { stdio: ['ignore', 'pipe', 'inherit'] });
    const output = text(reader.stdout);
    const chunks = Array.from({ length: 100 }, () => Buffer.alloc(100_000));
    await pipeline(Readable.from(chunks), await openFifoWriter(path, never));
    assert.equal((await output).trim(), '10000000');
  });

  test('ends with a broken pipe when the process ends before it has read all', async () => {
    const reader = spawn('sh', ['-c', `head -c 10 ${path}`], { stdio: 'ignore' });
    const chunks = Array.from({ length: 100 }, () => Buffer.alloc(100_000));
    await assert.rejects(pipeline(Readable.from(chunks), await openFifoWriter(path, never)), { code: 'EPIPE' });
    await once(reader, 'exit');
  });

  test('waits no longer for a process once it is told to stop', async () => {
    const stop = new AbortController();
    const opening = openFifoWriter(path, stop.signal);
    stop.abort(new Error('told to stop'));
    await assert.rejects(opening);
  });
});

describe('what is read', () => {
  test('is everything that the process wrote, also after it has ended', async () => {
    const { stream, release } = openFifoReader(path);
    const bytes = buffer(stream);
    await promisify(execFile)('sh', ['-c', `head -c 10000000 /dev/zero > ${path}; printf end > ${path}`]);
    release();
    assert.equal((await bytes).length, 10_000_003);
  });

  test('is nothing when the process ended without opening the pipe', async () => {
    const { stream, release } = openFifoReader(path);
    const bytes = buffer(stream);
    await promisify(execFile)('true');
    release();
    release();
    assert.equal((await bytes).length, 0);
  });
});
