import type { Logger } from 'pino';
import { loadKubeClient } from '../../kube/client.ts';
import { LEADER_LEASE, leaseLock } from '../../kube/lease.ts';
import { systemClock } from '../../runtime/clock.ts';
import { unfinalize } from './unfinalize.ts';

export interface UnfinalizeOptions {
  /** The operator's own namespace, in which the Lease of its leader is. */
  namespace: string;
  /** Who has that Lease meanwhile, for people. */
  identity: string;
  kubeconfig?: string | undefined;
  userAgent: string;
  log: Logger;
}

/** Takes the finalizer from every AcceleratedImage, as before an uninstallation. */
export async function runUnfinalizeCommand(options: UnfinalizeOptions, signal: AbortSignal): Promise<void> {
  const { namespace, identity, kubeconfig, userAgent, log } = options;
  const client = loadKubeClient({ kubeconfig, userAgent });
  try {
    const lock = leaseLock(client, { namespace, name: LEADER_LEASE });
    await unfinalize({ client, lock, identity, clock: systemClock, log }, signal);
  } finally {
    await client.close();
  }
}
