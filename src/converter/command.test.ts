import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { runConvertCommand, type ConvertCommand } from './command.ts';
import { ConvertResult } from './result.ts';

const never = new AbortController().signal;
let folder: string;
let lines: string[];
let command: ConvertCommand;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'command-'));
  await writeFile(join(folder, 'nydus-image'), '#!/bin/sh\nprintf "Version: \\tv2.2.0\\n"\n');
  await chmod(join(folder, 'nydus-image'), 0o755);
});
after(() => rm(folder, { recursive: true }));
beforeEach(() => {
  lines = [];
  command = {
    request: JSON.stringify({
      source: 'registry.example.com/app:1',
      target: 'registry.example.com/app:1-nydus',
      platforms: ['linux/amd64'],
      format: 'RafsV6',
      compressor: 'zstd',
      prefetchPaths: [],
      optionsHash: 'abc',
      workDir: join(folder, 'work'),
      registries: {},
    }),
    nydusImage: join(folder, 'nydus-image'),
    terminationMessage: join(folder, 'termination-log'),
    userAgent: 'slipstream/test',
    logLevel: 'info',
    stdout: { write: (line) => void lines.push(line) },
  };
});

async function runAndRead(): Promise<{ code: number; result: ConvertResult }> {
  const code = await runConvertCommand(command, never);
  return { code, result: ConvertResult.parse(JSON.parse(await readFile(command.terminationMessage, 'utf8'))) };
}

/** An address of loopback on which nothing listens. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${port}`;
}

describe('the worker leaves a termination message', () => {
  test('when the request is no JSON, and says not to try again', async () => {
    command.request = 'not json';
    const { code, result } = await runAndRead();
    assert.equal(code, 3);
    assert.ok(!result.ok && result.reason === 'InvalidSpec' && result.permanent);
  });

  test('when the request has a wrong field, and names it', async () => {
    command.request = JSON.stringify({ ...(JSON.parse(command.request) as object), compressor: 'lzma' });
    const { code, result } = await runAndRead();
    assert.equal(code, 3);
    assert.ok(!result.ok && result.message.includes('compressor'));
  });

  test('when the target has no tag to push to', async () => {
    const target = `registry.example.com/app@sha256:${'0'.repeat(64)}`;
    command.request = JSON.stringify({ ...(JSON.parse(command.request) as object), target });
    const { code, result } = await runAndRead();
    assert.equal(code, 3);
    assert.ok(!result.ok && result.reason === 'InvalidSpec' && result.message.includes('give it a tag'));
  });

  test('when the credentials are not there', async () => {
    command.sourceConfig = join(folder, 'missing');
    const { code, result } = await runAndRead();
    assert.equal(code, 3);
    assert.ok(!result.ok && result.reason === 'CredentialsMissing');
  });

  test('when the credentials are no docker config, without showing them', async () => {
    command.targetConfig = join(folder, 'config.json');
    await writeFile(command.targetConfig, '{"auths": {"registry.example.com": "hunter2"');
    const { code, result } = await runAndRead();
    assert.equal(code, 3);
    assert.ok(!result.ok && result.reason === 'CredentialsMissing');
    assert.ok(!JSON.stringify([result, lines]).includes('hunter2'));
  });

  test('when the registry does not answer, and says to try again', async () => {
    const host = await closedPort();
    command.request = JSON.stringify({
      ...(JSON.parse(command.request) as object),
      source: `${host}/app:1`,
      registries: { [host]: { plainHTTP: true } },
    });
    const { code, result } = await runAndRead();
    assert.equal(code, 1);
    assert.ok(!result.ok && result.reason === 'RegistryUnreachable' && !result.permanent);
    assert.ok(!result.ok && result.message.includes(host));
  });

  test('when nydus-image is not there', async () => {
    command.nydusImage = join(folder, 'missing');
    const { code, result } = await runAndRead();
    assert.equal(code, 1);
    assert.ok(!result.ok && result.reason === 'ConversionFailed' && result.message.includes('missing'));
  });

  test('when it is stopped before it began', async () => {
    const code = await runConvertCommand(command, AbortSignal.abort());
    assert.equal(code, 1);
    const text = await readFile(command.terminationMessage, 'utf8');
    assert.match(text, /"the conversion was stopped"/);
  });
});

test('log lines are JSON, and the last one holds the result', async () => {
  command.request = 'not json';
  await runAndRead();
  const last = JSON.parse(lines.at(-1) ?? '') as { result: ConvertResult; msg: string };
  assert.equal(last.msg, 'conversion failed');
  assert.equal(last.result.ok, false);
});

test('a termination message that cannot be written is logged and ends with a code to try again', async () => {
  command.terminationMessage = join(folder, 'no', 'such', 'folder');
  command.request = 'not json';
  assert.equal(await runConvertCommand(command, never), 1);
  assert.match(lines.join(''), /cannot write the termination message/);
});
