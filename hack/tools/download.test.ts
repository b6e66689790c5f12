import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import type { Tool } from './catalogue.ts';
import { downloadTool, findChecksum, mayReach } from './download.ts';
import { execute } from './process.ts';

const DIGEST = 'a'.repeat(64);

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'slipstream-tools-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

/** Serves files by path. */
async function serve(t: TestContext, files: Record<string, Buffer | string>): Promise<string> {
  const server = createServer((req, res) => {
    const body = files[req.url ?? ''];
    res.writeHead(body === undefined ? 404 : 200).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function tool(url: string, members?: Record<string, string>): Tool {
  return {
    name: 'greeter',
    version: '1.0.0',
    binaries: ['greeter'],
    recipe: { kind: 'go', module: 'kubernetes', package: 'example.test/greeter' },
    download: { url, checksum: `${url}.sha256`, ...(members === undefined ? {} : { members }) },
  };
}

function sha256(body: Buffer | string): string {
  return createHash('sha256').update(body).digest('hex');
}

describe('findChecksum', () => {
  test('reads a lone digest', () => {
    assert.equal(findChecksum(`${DIGEST}\n`, 'x.tar.gz'), DIGEST);
  });
  test('finds the line of the file among others', () => {
    const text = `${'b'.repeat(64)}  other.tar.gz\n${DIGEST} *x.tar.gz\n`;
    assert.equal(findChecksum(text, 'x.tar.gz'), DIGEST);
  });
  test('takes no other file’s line, and nothing that is no digest', () => {
    assert.equal(findChecksum(`${DIGEST}  a\n${DIGEST}  b\n`, 'x.tar.gz'), undefined);
    assert.equal(findChecksum('<html>Not found</html>', 'x.tar.gz'), undefined);
  });
});

describe('downloadTool', () => {
  test('saves a program whose checksum fits', async (t) => {
    const body = '#!/bin/sh\necho hello\n';
    const base = await serve(t, { '/greeter': body, '/greeter.sha256': sha256(body) });
    const into = await folder(t);
    await downloadTool(tool(`${base}/greeter`), into);
    const { stdout } = await execute(join(into, 'greeter'), []);
    assert.equal(stdout, 'hello\n');
  });

  test('takes a program out of an archive', async (t) => {
    const source = await folder(t);
    await writeFile(join(source, 'greeter'), 'program');
    await execute('tar', ['-czf', join(source, 'a.tgz'), '-C', source, '--transform', 's,^,bin/,', 'greeter']);
    const archive = await readFile(join(source, 'a.tgz'));
    const base = await serve(t, { '/a.tgz': archive, '/a.tgz.sha256': `${sha256(archive)}  a.tgz\n` });
    const into = await folder(t);
    await downloadTool(tool(`${base}/a.tgz`, { greeter: 'bin/greeter' }), into);
    assert.equal(await readFile(join(into, 'greeter'), 'utf8'), 'program');
  });

  test('refuses a program that is not the published one', async (t) => {
    const base = await serve(t, { '/greeter': 'tampered', '/greeter.sha256': sha256('published') });
    await assert.rejects(downloadTool(tool(`${base}/greeter`), await folder(t)), /not the published/);
  });

  test('refuses a program that nothing is published about', async (t) => {
    const base = await serve(t, { '/greeter': 'program' });
    await assert.rejects(downloadTool(tool(`${base}/greeter`), await folder(t)), /answered 404/);
  });

  test('gives up on a host that cannot be reached', async (t) => {
    const unreachable = tool('http://127.0.0.1:1/greeter');
    await assert.rejects(downloadTool(unreachable, await folder(t)), /127\.0\.0\.1:1/);
    assert.ok(unreachable.download !== undefined && !mayReach(unreachable.download));
  });
});
