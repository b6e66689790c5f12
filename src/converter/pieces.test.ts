import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants, mkdtempSync, openSync, rmSync, writeSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readPieces } from './pieces.ts';

const SIZE = 1024;

/** A pipe that holds these bytes, and has ended. */
function pipeOf(bytes: Buffer): number {
  const folder = mkdtempSync(join(tmpdir(), 'pieces-'));
  try {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(path, constants.O_WRONLY);
    writeSync(writer, bytes);
    closeSync(writer);
    return fd;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function read(bytes: Buffer): AsyncGenerator<Buffer> {
  return readPieces(pipeOf(bytes), SIZE, new AbortController().signal);
}

test('a pipe is read whole, in pieces of one size and a shorter last one', async () => {
  const bytes = Buffer.from(Array.from({ length: 5 * SIZE + 7 }, (_, at) => at % 251));
  const lengths: number[] = [];
  const copies: Buffer[] = [];
  for await (const piece of read(bytes)) {
    lengths.push(piece.length);
    copies.push(Buffer.from(piece));
  }
  assert.deepEqual(lengths, [SIZE, SIZE, SIZE, SIZE, SIZE, 7]);
  assert.ok(Buffer.concat(copies).equals(bytes));
});

test('the last piece of one pipe stays as it is while others are read', async () => {
  let last = Buffer.of();
  for await (const piece of read(Buffer.alloc(SIZE + 9, 'a'))) {
    last = piece as Buffer<ArrayBuffer>;
  }
  for await (const piece of read(Buffer.alloc(4 * SIZE, 'b'))) {
    assert.equal(piece.length, SIZE);
  }
  assert.equal(last.toString(), 'a'.repeat(9));
});
