import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Hierarchy } from './cgroups.ts';

/** A process that may be gone, and its number taken by another: its start time tells. */
export interface ProcessIdentity {
  pid: number;
  /** In clock ticks since boot, proc_pid_stat(5) field 22. */
  startTime: string;
}

/** `unshare` arguments for a new set of every kind of namespace but the user's, which ends with its first process. */
export const UNSHARE = [
  'unshare',
  '--mount',
  '--pid',
  '--net',
  '--ipc',
  '--uts',
  '--cgroup',
  '--fork',
  '--kill-child',
  '--mount-proc',
  '--',
];

/** `nsenter` arguments that run a command in all namespaces of a process. */
export function enterAll(pid: number): string[] {
  return ['nsenter', '--target', String(pid), '--mount', '--pid', '--net', '--ipc', '--uts', '--cgroup', '--'];
}

function startTimeOf(pid: number): string | undefined {
  try {
    // The name in parentheses may hold blanks; field 3 follows the last one.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** Identifies a running process; undefined when it is gone. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Whether this very process still runs. */
export function isRunning(process: ProcessIdentity): boolean {
  return startTimeOf(process.pid) === process.startTime;
}

/** The first child of a process, once it has one. Throws when the parent ends without. */
export async function firstChild(parent: number): Promise<number> {
  for (;;) {
    let children: string;
    try {
      children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8');
    } catch (cause) {
      throw new Error(`process ${parent} ended before it had a child`, { cause });
    }
    const pid = Number(children.trim().split(' ')[0]);
    if (pid > 0) return pid;
    await sleep(5);
  }
}

/** What kubelet sets at its start (its setupKernelTunables). */
const KUBELET_SYSCTLS = {
  'vm/overcommit_memory': 1,
  'vm/panic_on_oom': 0,
  'kernel/panic': 10,
  'kernel/panic_on_oops': 1,
  'kernel/keys/root_maxkeys': 1_000_000,
  'kernel/keys/root_maxbytes': 25_000_000,
};

/**
 * A shell script that, run first in a new set of namespaces, gives it mounts of its own: /sys of its network, cgroup
 * hierarchies rooted at its cgroup, an empty /run. `more` are further lines.
 */
export function mountScript(cgroups: Hierarchy[], more: string[] = []): string {
  const lines = ['set -e', 'umount --recursive --lazy /sys', 'mount -t sysfs sysfs /sys'];
  if (cgroups.some(({ type }) => type === 'cgroup')) lines.push('mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup');
  for (const { mountPoint, type, options } of cgroups) {
    if (type === 'cgroup') lines.push(`mkdir ${mountPoint}`, `mount -t cgroup -o ${options} cgroup ${mountPoint}`);
    else lines.push(`mkdir -p ${mountPoint}`, `mount -t cgroup2 cgroup2 ${mountPoint}`);
    if (type === 'cgroup2' && mountPoint === '/sys/fs/cgroup') {
      // Version 2 lets a group give controllers to children only when no process stands in it.
      lines.push('cd /sys/fs/cgroup', 'mkdir -p init');
      lines.push('for pid in $(cat cgroup.procs); do echo $pid >init/cgroup.procs || true; done');
      lines.push('for name in $(cat cgroup.controllers); do echo +$name >cgroup.subtree_control; done');
    }
  }
  lines.push('mount -t tmpfs -o mode=755 run /run', 'mkdir -p /run/lock /run/netns');
  lines.push(...more);
  // Kernel settings are the machine's, only those of the own network may be changed. kubelet insists on some: it finds
  // them as it wants them.
  lines.push(
    'mount --bind /proc/sys /proc/sys',
    'mount --bind /proc/sys/net /proc/sys/net',
    // For cold.ts.
    'mount --bind /proc/sys/vm/drop_caches /proc/sys/vm/drop_caches',
    'mount -o remount,bind,ro /proc/sys',
    'mkdir /run/sysctl',
  );
  for (const [name, value] of Object.entries(KUBELET_SYSCTLS)) {
    const file = `/run/sysctl/${name.replaceAll('/', '.')}`;
    lines.push(`echo ${value} >${file}`, `[ ! -e /proc/sys/${name} ] || mount --bind ${file} /proc/sys/${name}`);
  }
  // Like a node's: what kubelet and the snapshotter mount must reach the containers.
  lines.push('mount --make-rshared /');
  return lines.join('\n');
}
