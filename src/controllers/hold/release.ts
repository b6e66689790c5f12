import { releaseOperations } from '../../holding/gate.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isConflict, isNotFound, KubeError } from '../../kube/errors.ts';
import { pods, type Pod } from '../../kube/resources.ts';

/** What releasing needs of a client. */
export type PodClient = Pick<KubeClient, 'get' | 'patch'>;

/** Others may take gates from the same Pod at the same time: ours is then elsewhere, or gone. */
const TRIES = 5;

/**
 * Takes our gate, and nothing else, from this very Pod. Harmless where somebody else has taken it, or the Pod is gone.
 * @returns whether it was this call that took it
 * @throws what the API server refuses otherwise: to be tried again
 */
export async function releasePod(client: PodClient, pod: Pod, signal: AbortSignal): Promise<boolean> {
  const { name, namespace, uid } = pod.metadata;
  let current = pod;
  for (let tries = TRIES; ; tries--) {
    const operations = releaseOperations(current);
    if (operations.length === 0 || current.metadata.uid !== uid) {
      return false;
    }
    try {
      await client.patch(pods, { name, namespace }, operations, 'application/json-patch+json', {}, signal);
      return true;
    } catch (error) {
      if (isNotFound(error)) {
        return false;
      }
      if (tries === 1 || !isOutdated(error)) {
        throw error;
      }
    }
    const found = await read(client, pod, signal);
    if (found === undefined) {
      return false;
    }
    current = found;
  }
}

/** Whether the Pod is not as it was seen: a `test` of the patch failed. */
function isOutdated(error: unknown): boolean {
  return isConflict(error) || (error instanceof KubeError && error.code === 422);
}

async function read(client: PodClient, { metadata }: Pod, signal: AbortSignal): Promise<Pod | undefined> {
  try {
    return await client.get(pods, { namespace: metadata.namespace, name: metadata.name }, signal);
  } catch (error) {
    if (isNotFound(error)) {
      return undefined;
    }
    throw error;
  }
}
