import pLimit from 'p-limit';
import type { Logger } from 'pino';
import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isConflict, isNotFound } from '../../kube/errors.ts';
import { acceleratedImages } from '../../kube/resources.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { LeaseLock } from '../../runtime/leader-election.ts';
import { keyOf } from '../../runtime/object.ts';
import { seizeLease } from '../../runtime/seized-lease.ts';
import { hasFinalizer, setFinalizer } from '../acceleratedimage/set-finalizer.ts';

/** How long objects that are being deleted already may take to have their tags removed. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 2000;
/** Long enough for Helm to take the operator away; not so long that one which stays is missed. */
const HOLD_SECONDS = 60;
const PAGE = 200;
const PATCHES_AT_ONCE = 16;

export interface UnfinalizeDependencies {
  client: Pick<KubeClient, 'list' | 'patch'>;
  /** The lock of the operator's leader. */
  lock: LeaseLock;
  identity: string;
  clock: Clock;
  log: Logger;
}

/**
 * Takes our finalizer from every AcceleratedImage of the cluster, so that they can be deleted without the operator, and so that no
 * replica gives it to one again: the lease of the leader is taken for the time, and for a minute after it. Objects that are being
 * deleted are left to the operator first, for a minute at most.
 * @throws what the API server refuses: then an object may still have it
 */
export async function unfinalize(deps: UnfinalizeDependencies, signal: AbortSignal): Promise<void> {
  const { lock, identity, clock, log } = deps;
  await awaitDeletions(deps, signal);
  const lease = await seizeLease({ lock, identity, holdSeconds: HOLD_SECONDS, clock }, signal);
  log.info('nobody leads any more');
  let released = 0;
  let found = 0;
  do {
    found = 0;
    for await (const page of pages(deps.client, signal)) {
      await lease.renew(signal);
      const finalized = page.filter(hasFinalizer);
      found += finalized.length;
      released += await release(finalized, deps, signal);
    }
    // What had changed since it was listed is there once more.
  } while (found > 0);
  log.info({ released }, 'no AcceleratedImage has the finalizer any more; tags of artifacts stay in the registries');
}

async function awaitDeletions({ client, clock }: UnfinalizeDependencies, signal: AbortSignal): Promise<void> {
  const end = clock.monotonic() + PATIENCE_MS;
  while (clock.monotonic() < end) {
    let leaving = 0;
    for await (const page of pages(client, signal)) {
      leaving += page.filter(isLeaving).length;
    }
    if (leaving === 0) {
      return;
    }
    await clock.sleep(PAUSE_MS, signal);
  }
}

/** @returns how many of them have lost the finalizer; the others have changed since they were read */
async function release(
  images: readonly AcceleratedImage[],
  { client, log }: UnfinalizeDependencies,
  signal: AbortSignal,
): Promise<number> {
  const limit = pLimit(PATCHES_AT_ONCE);
  const results = await limit.map(images, async (image) => {
    try {
      await setFinalizer(client, image, false, signal);
    } catch (error) {
      if (isConflict(error)) {
        return false;
      }
      throw error;
    }
    if (isLeaving(image)) {
      log.warn({ image: keyOf(image) }, 'let go before its tags could be removed');
    }
    return true;
  });
  return results.filter(Boolean).length;
}

function isLeaving(image: AcceleratedImage): boolean {
  return hasFinalizer(image) && image.metadata.deletionTimestamp !== undefined;
}

/** Every AcceleratedImage of the cluster, a page at a time; none where the kind is not installed. */
async function* pages(
  client: Pick<KubeClient, 'list'>,
  signal: AbortSignal,
): AsyncGenerator<readonly AcceleratedImage[]> {
  let next: string | undefined;
  do {
    const from = next === undefined ? {} : { continue: next };
    try {
      const page = await client.list(acceleratedImages, { limit: PAGE, ...from }, signal);
      next = page.continue;
      yield page.items;
    } catch (error) {
      if (!isNotFound(error)) {
        throw error;
      }
      return;
    }
  } while (next !== undefined);
}
