import type { KubeClient } from '../../kube/client.ts';
import { pods, type Pod } from '../../kube/resources.ts';
import { formatReference, InvalidReferenceError, parseReference } from '../../registry/reference.ts';
import type { Clock } from '../../runtime/clock.ts';

const PAGE = 500;
/** For so long one list of Pods answers for every object that asks. */
const FRESH_MS = 300_000;

interface Snapshot {
  takenAt: number;
  images: Promise<ReadonlySet<string>>;
}

/**
 * What the Pods of the cluster run, looked up only when there is something to remove: Pods are not watched for it. One list, read
 * page by page, serves all objects for a while.
 */
export class RunningImages {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  #snapshot: Snapshot | undefined;

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /**
   * The digests of all images that Pods run or are to run, and the tags (`repository:tag`) of those that name none.
   * @param after the list is taken after this time.
   */
  async list(after: Date, signal: AbortSignal): Promise<ReadonlySet<string>> {
    const now = this.#clock.now().getTime();
    const known = this.#snapshot;
    if (known !== undefined && known.takenAt > after.getTime() && now - known.takenAt < FRESH_MS) {
      return await known.images;
    }
    const snapshot = { takenAt: now, images: this.#read(signal) };
    this.#snapshot = snapshot;
    try {
      return await snapshot.images;
    } catch (error) {
      if (this.#snapshot === snapshot) {
        this.#snapshot = undefined;
      }
      throw error;
    }
  }

  async #read(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const images = new Set<string>();
    let page: { continue?: string } = {};
    do {
      const { items, ...next } = await this.#client.list(pods, { limit: PAGE, ...page }, signal);
      for (const image of items.flatMap(imagesOf)) {
        images.add(image);
      }
      page = next.continue === undefined ? {} : { continue: next.continue };
    } while (page.continue !== undefined);
    return images;
  }
}

/** The images of a Pod that has not ended, as digests or tags. */
export function imagesOf({ spec, status }: Pod): string[] {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') {
    return [];
  }
  const containers = [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  const statuses = [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ];
  return [...containers.map(({ image }) => image), ...statuses.map(({ imageID }) => imageID)].flatMap(nameOf);
}

function nameOf(image: string | undefined): string[] {
  const digest = /sha256:[0-9a-f]{64}$/.exec(image ?? '')?.[0];
  if (digest !== undefined) {
    return [digest];
  }
  try {
    return image === undefined || image === '' ? [] : [formatReference(parseReference(image))];
  } catch (error) {
    if (error instanceof InvalidReferenceError) {
      return [];
    }
    throw error;
  }
}
