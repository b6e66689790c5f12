import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadKubeClient } from '../../src/kube/client.ts';
import { namespaces } from '../../src/kube/resources.ts';
import { startControlPlane, writeKubeconfig, type ControlPlane } from './control-plane.ts';
import { installCRDs } from './crds.ts';

const USER_AGENT = 'slipstream-envtest';

/** How long the API server may take to be ready: seconds, but a busy machine is many times slower. */
const READY_TIMEOUT_MS = 120_000;

const POLL_MS = 50;

export interface EnvtestOptions {
  /** YAML files of CustomResourceDefinitions to install. */
  crds?: readonly string[];
  /** Admission plugins beside those that are on by default. */
  enableAdmissionPlugins?: readonly string[];
  /** More flags of kube-apiserver. */
  flags?: readonly string[];
}

/**
 * A real API server without any controller: nothing collects garbage, finishes the deletion of a namespace, schedules or
 * runs a Pod.
 */
export interface Envtest extends AsyncDisposable {
  /** kubeconfig file of a member of system:masters. */
  kubeconfig: string;
  /** Base URL of the API server. */
  url: string;
  /** Base URL of etcd, whose JSON gateway answers at `/v3`. */
  etcdUrl: string;
  /** Writes a kubeconfig for a user who has no rights but those that RBAC gives them; returns its path. */
  kubeconfigFor(user: string): Promise<string>;
  /** Writes a kubeconfig of system:masters for another way to the API server, such as a proxy; returns its path. */
  kubeconfigAt(url: string): Promise<string>;
  /** Ends both processes and removes what they stored. */
  stop(): Promise<void>;
}

/**
 * Starts etcd and kube-apiserver as controller-runtime's envtest does, and waits until they are ready. Throws with the end
 * of a log when one of them ends, or with what is missing when they are not ready in two minutes.
 */
export async function startEnvtest({
  crds = [],
  enableAdmissionPlugins = [],
  flags = [],
}: EnvtestOptions = {}): Promise<Envtest> {
  const directory = await mkdtemp(join(tmpdir(), 'slipstream-envtest-'));
  const stops: (() => Promise<void>)[] = [() => rm(directory, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const step of stops.splice(0).toReversed()) {
      await step();
    }
  };
  try {
    const plane = await startControlPlane(directory, enableAdmissionPlugins, flags);
    stops.push(...plane.processes.map((process) => () => process.stop()));
    const signal = AbortSignal.timeout(READY_TIMEOUT_MS);
    const kubeconfig = await ready(plane, directory, signal);
    const client = loadKubeClient({ kubeconfig, userAgent: USER_AGENT });
    try {
      await installCRDs(client, crds, signal);
    } finally {
      await client.close();
    }
    return {
      kubeconfig,
      url: plane.url,
      etcdUrl: plane.etcdUrl,
      kubeconfigFor: (user) => writeKubeconfig(directory, plane.url, user),
      kubeconfigAt: (url) => writeKubeconfig(directory, url, 'admin', `at-${new URL(url).port}`),
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits until the API server is ready and has made the namespace `default`, which it does a moment later. */
async function ready(plane: ControlPlane, directory: string, signal: AbortSignal): Promise<string> {
  let reason: unknown;
  while (!signal.aborted) {
    await Promise.all(plane.processes.map((process) => process.assertRunning()));
    try {
      return await probe(plane.url, directory, signal);
    } catch (error) {
      reason = error;
    }
    await sleep(POLL_MS);
  }
  throw new Error(`the API server was not ready in ${READY_TIMEOUT_MS} ms`, { cause: reason });
}

async function probe(url: string, directory: string, signal: AbortSignal): Promise<string> {
  const kubeconfig = await writeKubeconfig(directory, url, 'admin');
  const client = loadKubeClient({ kubeconfig, userAgent: USER_AGENT });
  try {
    await client.raw('GET', '/readyz', {}, signal);
    await client.get(namespaces, { name: 'default' }, signal);
    return kubeconfig;
  } finally {
    await client.close();
  }
}
