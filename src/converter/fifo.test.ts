import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
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
  async function copied(pieces: AsyncIterable<Buffer>): Promise<Buffer[]> {
    const all: Buffer[] = [];
    for await (const piece of pieces) {
      all.push(Buffer.from(piece));
    }
    return all;
  }

  test('is everything that the process wrote, also after it has ended', async () => {
    const { pieces, release } = openFifoReader(path, 1_000_000, never);
    const read = copied(pieces);
    await promisify(execFile)('sh', ['-c', `seq 1 1000000 > ${path}; printf end > ${path}`]);
    release();
    const numbers = Array.from({ length: 1_000_000 }, (_, i) => `${i + 1}\n`).join('');
    const all = await read;
    assert.ok(Buffer.concat(all).equals(Buffer.from(`${numbers}end`)));
    assert.deepEqual(
      all.slice(0, -1).map(({ length }) => length),
      Array.from({ length: 6 }, () => 1_000_000),
    );
  });

  test('is read no further than one piece ahead', async () => {
    const { pieces, release } = openFifoReader(path, 100_000, never);
    const writer = promisify(execFile)('sh', ['-c', `seq 1 1000000 > ${path}`]);
    const first = await pieces.next();
    const copy = Buffer.from(first.value as Buffer);
    // What comes next is there as a whole, and the process is held up.
    const second = Buffer.from((await pieces.next()).value as Buffer);
    assert.ok(copy.toString().startsWith('1\n2\n') && !second.equals(copy));
    const rest = copied(pieces);
    await writer;
    release();
    assert.equal(Buffer.concat([copy, second, ...(await rest)]).length, 6_888_896);
  });

  test('is nothing when the process ended without opening the pipe', async () => {
    const { pieces, release } = openFifoReader(path, 1000, never);
    const read = copied(pieces);
    await promisify(execFile)('true');
    release();
    release();
    assert.deepEqual(await read, []);
  });

  test('ends in an error where it is told to stop', async () => {
    const stop = new AbortController();
    const { pieces, release } = openFifoReader(path, 1000, stop.signal);
    const read = copied(pieces);
    stop.abort(new Error('told to stop'));
    await assert.rejects(read, { name: 'AbortError' });
    release();
  });
});
