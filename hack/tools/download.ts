import { createHash } from 'node:crypto';
import { chmod, open, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EnvHttpProxyAgent, fetch, type Response } from 'undici';
import type { Download, Tool } from './catalogue.ts';
import { execute } from './process.ts';

const CONNECT_TIMEOUT_MS = 3_000;
const STALLED_MS = 20_000;
const MAX_CHECKSUM_BYTES = 256 * 1024;
const MAX_ASSET_BYTES = 512 * 1024 * 1024;

/** Hosts that could not be reached; not asked again in this run. */
const unreachable = new Set<string>();

/** Whether a download is worth a try: false once its host was found unreachable, which is told once. */
export function mayReach(download: Download): boolean {
  return !unreachable.has(new URL(download.url).host);
}

async function get(url: string, agent: EnvHttpProxyAgent, signal?: AbortSignal): Promise<Response> {
  const { host } = new URL(url);
  const response = await fetch(url, { dispatcher: agent, signal: signal ?? null }).catch((error: unknown) => {
    signal?.throwIfAborted();
    unreachable.add(host);
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    throw new Error(`${host}: ${cause instanceof Error ? cause.message : String(cause)}`);
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response;
}

/** The SHA-256 that a checksum file gives for a name: a lone digest, or a line `<digest>  <name>`. */
export function findChecksum(text: string, name: string): string | undefined {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+\*?/));
  const line = lines.find((words) => words[1] === name) ?? (lines.length === 1 ? lines[0] : undefined);
  const digest = line?.[0]?.toLowerCase();
  return digest !== undefined && /^[0-9a-f]{64}$/.test(digest) ? digest : undefined;
}

async function save(response: Response, file: string): Promise<string> {
  const hash = createHash('sha256');
  await using out = await open(file, 'w');
  let size = 0;
  for await (const chunk of response.body ?? []) {
    const bytes: unknown = chunk;
    if (!(bytes instanceof Uint8Array)) throw new Error(`${response.url}: no bytes`);
    size += bytes.byteLength;
    if (size > MAX_ASSET_BYTES) throw new Error(`${response.url} is larger than ${MAX_ASSET_BYTES} bytes`);
    hash.update(bytes);
    await out.write(bytes);
  }
  return hash.digest('hex');
}

async function text(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    const bytes: unknown = chunk;
    if (!(bytes instanceof Uint8Array)) throw new Error(`${response.url}: no bytes`);
    size += bytes.byteLength;
    if (size > MAX_CHECKSUM_BYTES) throw new Error(`${response.url} is larger than ${MAX_CHECKSUM_BYTES} bytes`);
    parts.push(bytes);
  }
  return Buffer.concat(parts).toString('utf8');
}

/**
 * Fetches a tool's official release into a folder and checks it against its published SHA-256. Throws when the tool
 * has no release, the host is not reachable, or the checksum does not fit; the folder may then hold pieces.
 */
export async function downloadTool(tool: Tool, into: string, signal?: AbortSignal): Promise<void> {
  const { download } = tool;
  if (download === undefined) throw new Error('no release with a checksum is published');
  const agent = new EnvHttpProxyAgent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: STALLED_MS,
    bodyTimeout: STALLED_MS,
  });
  try {
    const name = basename(new URL(download.url).pathname);
    const expected = findChecksum(await text(await get(download.checksum, agent, signal)), name);
    if (expected === undefined) throw new Error(`${download.checksum} has no SHA-256 of ${name}`);
    const asset = join(into, `${name}.download`);
    const actual = await save(await get(download.url, agent, signal), asset);
    if (actual !== expected) throw new Error(`${download.url} has SHA-256 ${actual}, not the published ${expected}`);
    const { members } = download;
    for (const binary of tool.binaries) {
      const file = join(into, binary);
      const member = members?.[binary];
      if (member === undefined) {
        await rename(asset, file);
      } else {
        await execute('tar', ['--extract', '--gzip', '--file', asset, '--directory', into, member]);
        await rename(join(into, member), file);
      }
      await chmod(file, 0o755);
    }
    await rm(asset, { force: true });
  } finally {
    await agent.destroy();
  }
}
