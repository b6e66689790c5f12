import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { toolPath } from '../../hack/tools/locate.ts';
import { freePorts } from '../envtest/ports.ts';
import { startProcess } from '../envtest/process.ts';
import { until } from './until.ts';

/** A running distribution registry, plain HTTP, without authentication. */
export interface Distribution extends AsyncDisposable {
  url: string;
  /** Pushes a blob and returns its digest. */
  pushBlob(repository: string, blob: Buffer): Promise<string>;
  /** Pushes a manifest by digest and returns it. */
  pushManifest(repository: string, manifest: object, mediaType: string): Promise<string>;
  /** Deletes manifests that no tag leads to, and blobs that no manifest names. Nothing may be pushed meanwhile. */
  collectGarbage(): Promise<void>;
}

/**
 * Starts the distribution registry on 127.0.0.1, with what it stores below `directory`. One that is started again there goes
 * on with uploads.
 * @param at port; a free one by default
 * @param more settings of its configuration file
 */
export async function startDistribution(directory: string, at?: number, more: object = {}): Promise<Distribution> {
  const port = at ?? (await freePorts(1))[0] ?? 0;
  const config = join(directory, 'registry.json');
  const settings = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: join(directory, 'registry') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, secret: 'what the states of uploads are signed with' },
    log: { level: 'warn' },
    ...more,
  };
  await writeFile(config, JSON.stringify(settings));
  const registry = await startProcess(
    'env',
    ['OTEL_TRACES_EXPORTER=none', toolPath('registry'), 'serve', config],
    join(directory, 'registry.log'),
  );
  const url = `http://127.0.0.1:${port}`;
  await until('the registry answers', async () => {
    await registry.assertRunning();
    return (await fetch(`${url}/v2/`)).ok;
  });

  async function put(at: string | URL, body: Buffer, type: string): Promise<void> {
    const answer = await fetch(at, { method: 'PUT', body: new Uint8Array(body), headers: { 'content-type': type } });
    if (answer.status !== 201) {
      throw new Error(`the registry answered ${answer.status} to PUT ${String(at)}: ${await answer.text()}`);
    }
  }

  return {
    url,
    async pushBlob(repository, blob) {
      const digest = digestOf(blob);
      const started = await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
      const upload = new URL(started.headers.get('location') ?? '', url);
      upload.searchParams.set('digest', digest);
      await put(upload, blob, 'application/octet-stream');
      return digest;
    },
    async pushManifest(repository, manifest, mediaType) {
      const body = Buffer.from(JSON.stringify(manifest));
      await put(`${url}/v2/${repository}/manifests/${digestOf(body)}`, body, mediaType);
      return digestOf(body);
    },
    async collectGarbage() {
      await promisify(execFile)(toolPath('registry'), ['garbage-collect', '--delete-untagged', config]);
    },
    [Symbol.asyncDispose]: () => registry.stop(),
  };
}

/** `sha256:…` of a document. */
export function digestOf(body: Buffer): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}
