import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { buildTool } from './build.ts';
import { toolOf, TOOLS, type Tool } from './catalogue.ts';
import { ensurePackages } from './debian.ts';
import { downloadTool, mayReach } from './download.ts';
import { cacheDirectory, isExecutable, toolDirectory, toolFromEnvironment } from './locate.ts';
import { withLock } from './lock.ts';
import { execute } from './process.ts';
import { createProgress, type Progress } from './progress.ts';

/** Options of {@link ensureTools}. */
export interface EnsureOptions {
  progress?: Progress;
  signal?: AbortSignal;
}

function isPresent(tool: Tool): boolean {
  return tool.binaries.every(
    (name) => toolFromEnvironment(name) !== undefined || isExecutable(join(toolDirectory(tool), name)),
  );
}

/** Whether a program prints the wanted version as a word of its own, with whatever suffix its builder added. */
export function printsVersion(output: string, expect: string): boolean {
  const escaped = expect.replaceAll('.', '\\.');
  return new RegExp(`(^|[^0-9A-Za-z.])${escaped}($|[^0-9.])`, 'm').test(output);
}

/** Copies the tool's binaries from PATH when all are there and print the wanted version. */
async function takeFromPath(tool: Tool, into: string, signal?: AbortSignal): Promise<boolean> {
  const { probe } = tool;
  if (probe === undefined) return false;
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const name of tool.binaries) {
    const path = folders.map((folder) => join(folder, name)).find(isExecutable);
    if (path === undefined) return false;
    const { stdout, stderr } = await execute(path, probe.args, { timeout: 10_000, signal }).catch(() => ({
      stdout: '',
      stderr: '',
    }));
    if (!printsVersion(stdout + stderr, probe.expect)) return false;
    await copyFile(path, join(into, name));
  }
  return true;
}

async function obtain(tool: Tool, into: string, progress: Progress, signal?: AbortSignal): Promise<void> {
  if (await takeFromPath(tool, into, signal)) {
    progress.note(`${tool.name} ${tool.version}: taken from PATH`);
    return;
  }
  if (tool.download !== undefined && mayReach(tool.download)) {
    const since = performance.now();
    try {
      await downloadTool(tool, into, signal);
      progress.note(`downloaded ${tool.name} ${tool.version} … ${((performance.now() - since) / 1000).toFixed(1)} s`);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      progress.note(`no download of ${tool.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  await ensurePackages(tool.buildPackages ?? [], progress, signal);
  const log = join(cacheDirectory(), 'logs', `${basename(toolDirectory(tool))}.log`);
  await rm(log, { force: true });
  const verb = tool.recipe.kind === 'debian' ? 'unpacking' : 'building';
  await progress.step(`${verb} ${tool.name} ${tool.version}`, () => buildTool(tool, into, log, signal));
}

async function ensureTool(tool: Tool, progress: Progress, signal?: AbortSignal): Promise<void> {
  if (isPresent(tool)) return;
  const target = toolDirectory(tool);
  await withLock(join(cacheDirectory(), 'locks', basename(target)), async () => {
    if (isPresent(tool)) return;
    const draft = `${target}.draft`;
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true });
    try {
      await obtain(tool, draft, progress, signal);
      await rm(target, { recursive: true, force: true });
      await rename(draft, target);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  });
}

function toolsOf(binaries: string[]): Tool[] {
  const tools = new Set<Tool>();
  for (const name of binaries) {
    const tool = toolOf(name);
    if (tool === undefined) {
      const known = TOOLS.flatMap((other) => other.binaries).join(', ');
      throw new Error(`unknown tool ${name}; known are ${known}`);
    }
    tools.add(tool);
  }
  return [...tools];
}

/** Whether all of the named binaries are there already, so that {@link ensureTools} has nothing to do. */
export function isCached(binaries: string[]): boolean {
  return toolsOf(binaries).every(isPresent);
}

/**
 * Makes the named binaries (all, when none are named) available to `toolPath`: from the environment, the cache, PATH,
 * an official release or a build, in this order. What Go builds comes one after the other, as those builds share much and
 * each uses the whole machine; what cargo builds goes on beside it and fills the gaps that linking leaves. Safe beside other
 * runs. Throws when a tool cannot be had, with the end of its log.
 */
export async function ensureTools(binaries?: string[], options: EnsureOptions = {}): Promise<void> {
  const progress = options.progress ?? createProgress();
  const tools = binaries === undefined ? TOOLS : toolsOf(binaries);
  const failed = new AbortController();
  const signal = AbortSignal.any([failed.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  const lanes = (['debian', 'go', 'cargo'] as const).map(async (kind) => {
    try {
      for (const tool of tools.filter(({ recipe }) => recipe.kind === kind)) await ensureTool(tool, progress, signal);
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  await Promise.all(lanes);
}
