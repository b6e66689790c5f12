import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { toolPath } from '../../hack/tools/locate.ts';
import { convert, type ConvertDependencies } from '../../src/converter/convert.ts';
import { ConvertRequest } from '../../src/converter/options.ts';
import type { Progress } from '../../src/converter/progress.ts';
import type { ConvertResult, ConvertSuccess } from '../../src/converter/result.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import type { Index, Manifest } from '../../src/registry/schema.ts';
import type { Timeouts } from '../../src/registry/transport.ts';
import { startDistribution } from '../support/distribution.ts';
import { startRegistryProxy, type RegistryProxy, type RegistryProxyOptions } from '../support/registry-proxy.ts';

/** A registry and everything that a conversion needs beside it. */
export interface Harness extends AsyncDisposable {
  /** Host of the registry. */
  host: string;
  workDir: string;
  /** Converts `source` of the registry to `target` there, both without the host. */
  convert(source: string, target: string, options?: ConvertOptions): Promise<ConvertResult>;
  /** Reads a manifest or index. */
  manifest<T extends Manifest | Index>(repository: string, reference: string): Promise<T>;
  /** Reads a blob past the registry, where it keeps it. */
  storedBlob(digest: string): Promise<Buffer>;
  /** Takes a tag away, as a registry does that deletes tags. */
  untag(repository: string, tag: string): Promise<void>;
  /** Has the registry collect what no tagged manifest needs. */
  collectGarbage(): Promise<void>;
  /** Uploads to a repository that were neither finished nor cancelled. */
  openUploads(repository: string): Promise<string[]>;
  /** Takes a blob out of a repository, without a word to anybody. */
  loseBlob(repository: string, digest: string): Promise<void>;
}

/** What a test asks for otherwise. */
export interface ConvertOptions {
  request?: Partial<ConvertRequest>;
  dependencies?: Partial<ConvertDependencies>;
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

/** A harness whose registry stands behind a proxy: its host is the proxy's. */
export interface ProxiedHarness extends Harness {
  proxy: RegistryProxy;
}

/** Options of a harness. */
export interface HarnessOptions {
  /** What the client waits for registries. */
  timeouts?: Partial<Timeouts>;
}

/** Starts a registry behind a proxy. Disposing of the harness ends both. */
export async function startProxiedHarness(
  options: HarnessOptions & RegistryProxyOptions = {},
): Promise<ProxiedHarness> {
  const harness = await startHarness(options);
  const proxy = await startRegistryProxy(`http://${harness.host}`, options);
  const client = clientOf(proxy.host, options);
  return {
    ...harness,
    proxy,
    host: proxy.host,
    async convert(source, target, { request, dependencies, ...rest } = {}) {
      const through = {
        source: `${proxy.host}/${source}`,
        target: `${proxy.host}/${target}`,
        registries: { [proxy.host]: { plainHTTP: true } },
      };
      return harness.convert(source, target, {
        ...rest,
        request: { ...through, ...request },
        dependencies: { registry: client, ...dependencies },
      });
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await proxy[Symbol.asyncDispose]();
      await harness[Symbol.asyncDispose]();
    },
  };
}

/** Starts a registry. Disposing of the harness ends it. */
export async function startHarness(options: HarnessOptions = {}): Promise<Harness> {
  const folder = await mkdtemp(join(tmpdir(), 'convert-test-'));
  const workDir = join(folder, 'work');
  await mkdir(workDir);
  const distribution = await startDistribution(folder);
  const { host } = new URL(distribution.url);
  const store = join(folder, 'registry/docker/registry/v2');
  const registries = { [host]: { plainHTTP: true } };
  const client = clientOf(host, options);
  return {
    host,
    workDir,
    async convert(source, target, { request, dependencies, signal, onProgress } = {}) {
      const whole = ConvertRequest.parse({
        source: `${host}/${source}`,
        target: `${host}/${target}`,
        platforms: ['linux/amd64'],
        format: 'RafsV6',
        compressor: 'zstd',
        prefetchPaths: [],
        optionsHash: 'options',
        workDir,
        registries,
        ...request,
      });
      const defaults: ConvertDependencies = {
        registry: client,
        credentials: {},
        log: pino({ level: 'silent' }),
        nydusImage: toolPath('nydus-image'),
        onProgress: onProgress ?? (() => undefined),
      };
      return convert(whole, { ...defaults, ...dependencies }, signal ?? new AbortController().signal);
    },
    async manifest<T>(repository: string, reference: string): Promise<T> {
      const accept = 'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json';
      const url = `http://${host}/v2/${repository}/manifests/${reference}`;
      return (await (await fetch(url, { headers: { accept } })).json()) as T;
    },
    async storedBlob(digest) {
      const hex = digest.slice('sha256:'.length);
      return readFile(join(store, 'blobs/sha256', hex.slice(0, 2), hex, 'data'));
    },
    async untag(repository, tag) {
      const answer = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, { method: 'DELETE' });
      assert.equal(answer.status, 202);
    },
    collectGarbage: () => distribution.collectGarbage(),
    async openUploads(repository) {
      const uploads = join(store, 'repositories', repository, '_uploads');
      const all = await readdir(uploads).catch(() => []);
      // Of one that was cancelled, distribution leaves an empty folder.
      return all.filter((id) => existsSync(join(uploads, id, 'startedat')));
    },
    async loseBlob(repository, digest) {
      await rm(join(store, 'repositories', repository, '_layers', digest.replace(':', '/')), { recursive: true });
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await distribution[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function clientOf(host: string, { timeouts }: HarnessOptions): RegistryClient {
  const registries = { [host]: { plainHTTP: true } };
  return new RegistryClient({ registries, userAgent: 'slipstream/test', retryDelay: 10, timeouts });
}

/** The result as a success; fails the test with the reason if it is none. */
export function succeeded(result: ConvertResult): ConvertSuccess {
  if (!result.ok) {
    throw new Error(`the conversion failed: ${result.reason}: ${result.message}`);
  }
  return result;
}

/** What a conversion left behind in its work folder. */
export async function leftovers({ workDir }: Harness): Promise<string[]> {
  return readdir(workDir);
}
