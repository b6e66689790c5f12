import { spawn } from 'node:child_process';
import { existsSync, openSync, closeSync, readFileSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TOOLS } from '../tools/catalogue.ts';
import { isExecutable, toolPath } from '../tools/locate.ts';
import { createCgroup, inCgroup, removeCgroup } from './cgroups.ts';
import { layoutOf, type Layout } from './layout.ts';
import { enterAll, firstChild, identify, isRunning, UNSHARE, type ProcessIdentity } from './namespaces.ts';
import type { ClusterOptions } from './options.ts';

const POLL_MS = 50;

/** The command line that ends a process with its parent, however that ends. */
const WITH_PARENT = ['setpriv', '--pdeathsig', 'KILL', '--'];

function cgroupOf(name: string): string {
  return `slipstream-${name}`;
}

/** Environment of everything inside: the tools first on PATH, kubectl's configuration, no way to an outside proxy. */
function environment(layout: Layout): NodeJS.ProcessEnv {
  const path = [layout.bin, dirname(process.execPath), process.env['PATH'] ?? '', '/usr/sbin', '/sbin'];
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    PATH: path.join(delimiter),
    KUBECONFIG: layout.kubeconfig,
    KUBECACHEDIR: join(layout.state, 'kube-cache'),
    SLIPSTREAM_CLUSTER: layout.state,
  };
  for (const name of Object.keys(env)) if (/^(https?|all|ftp)_proxy$/i.test(name)) delete env[name];
  return env;
}

function readSandbox(layout: Layout): ProcessIdentity | undefined {
  if (!existsSync(layout.sandbox)) return undefined;
  const found = JSON.parse(readFileSync(layout.sandbox, 'utf8')) as ProcessIdentity;
  return isRunning(found) ? found : undefined;
}

/** Whether the cluster of this name is up. */
function isUp(name: string): boolean {
  return readSandbox(layoutOf(name)) !== undefined;
}

async function linkTools(layout: Layout): Promise<void> {
  await mkdir(layout.bin, { recursive: true });
  for (const binary of TOOLS.flatMap((tool) => tool.binaries)) {
    let path: string;
    try {
      path = toolPath(binary);
    } catch {
      // Not every cluster needs every tool; what it needs was ensured.
      continue;
    }
    if (isExecutable(path)) await symlink(path, join(layout.bin, binary));
  }
}

/** Prints what the start has printed since the last call. */
function follow(layout: Layout, print: (text: string) => void): () => void {
  let seen = 0;
  return () => {
    const text = existsSync(layout.progress) ? readFileSync(layout.progress, 'utf8') : '';
    const end = text.lastIndexOf('\n') + 1;
    if (end > seen) print(text.slice(seen, end));
    seen = Math.max(seen, end);
  };
}

/** How {@link startSandbox} starts a cluster. */
export interface SandboxOptions {
  /** Lets the cluster end with this process, however that ends. */
  attached: boolean;
  print: (text: string) => void;
  signal: AbortSignal;
}

/**
 * Brings up a cluster in namespaces of its own, and returns when it is ready. Throws when a part fails or the signal
 * is aborted; then the folder with its logs is left, and everything else is gone.
 */
export async function startSandbox(
  options: ClusterOptions,
  { attached, print, signal }: SandboxOptions,
): Promise<void> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error('a cluster needs Linux and root, for namespaces and mounts of its own');
  }
  const layout = layoutOf(options.name);
  if (isUp(options.name)) {
    throw new Error(`cluster ${options.name} is up: take it down first, or give another --name`);
  }
  await removeSandbox(options.name);
  await mkdir(layout.logs, { recursive: true });
  await writeFile(layout.options, `${JSON.stringify(options)}\n`);
  await linkTools(layout);
  const cgroup = cgroupOf(options.name);
  await createCgroup(cgroup);

  const init = [process.execPath, join(import.meta.dirname, 'init.ts'), layout.state];
  const command = inCgroup(cgroup, [...UNSHARE, 'tini', '--', ...init]);
  const [program = '', ...args] = attached ? [...WITH_PARENT, ...command] : command;
  const log = openSync(layout.progress, 'a');
  const child = spawn(program, args, {
    detached: true,
    stdio: ['ignore', log, log],
    env: environment(layout),
  });
  closeSync(log);
  child.unref();
  if (child.pid === undefined) throw new Error(`cannot run ${program}`);
  const printNew = follow(layout, print);
  try {
    const first = identify(await firstChild(child.pid));
    if (first === undefined) throw new Error('the namespaces ended at once');
    await writeFile(layout.sandbox, JSON.stringify(first));
    while (!existsSync(layout.description)) {
      await sleep(POLL_MS);
      printNew();
      signal.throwIfAborted();
      if (!isRunning(first)) throw new Error(`cluster ${options.name} did not start; logs: ${layout.logs}`);
    }
    printNew();
  } catch (error) {
    printNew();
    await killSandbox(options.name);
    throw error;
  }
}

/** Ends every process of a cluster, and with them its mounts and network; then removes its cgroups. */
async function killSandbox(name: string): Promise<boolean> {
  const running = readSandbox(layoutOf(name));
  if (running !== undefined) {
    process.kill(running.pid, 'SIGKILL');
    while (isRunning(running)) await sleep(POLL_MS);
  }
  await removeCgroup(cgroupOf(name));
  return running !== undefined;
}

/** Takes a cluster down, running or crashed, and removes all that it left. Says whether it was running. */
export async function removeSandbox(name: string): Promise<boolean> {
  const wasRunning = await killSandbox(name);
  await rm(layoutOf(name).state, { recursive: true, force: true });
  return wasRunning;
}

/** Runs a command inside a cluster, on this process's terminal, and gives its exit code. */
export async function runInside(name: string, command: string[]): Promise<number> {
  const layout = layoutOf(name);
  const sandbox = readSandbox(layout);
  if (sandbox === undefined) throw new Error(`cluster ${name} is not up: run \`node hack/cluster/up.ts\``);
  // nsenter would end with us and leave its child: that one is told to end with nsenter.
  const withParent = ['setpriv', '--pdeathsig', 'TERM', '--'];
  const inside = ['env', `--chdir=${process.cwd()}`, ...withParent, ...command];
  const [program = '', ...args] = [...WITH_PARENT, ...inCgroup(cgroupOf(name), [...enterAll(sandbox.pid), ...inside])];
  const child = spawn(program, args, { stdio: 'inherit', env: environment(layout) });
  // The terminal interrupts the command as well, which decides; the others are sent to us alone.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}
