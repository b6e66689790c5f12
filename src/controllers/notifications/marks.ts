import pLimit from 'p-limit';
import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { API_VERSION } from '../../api/v1alpha1/group.ts';
import type { KubeClient, Manifest } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { acceleratedImages } from '../../kube/resources.ts';
import type { Clock } from '../../runtime/clock.ts';
import { keyOf, type Key } from '../../runtime/object.ts';

/** Owns `status.notification`, and nothing else: no other writer of the status may send it. */
const FIELD_MANAGER = 'slipstream-notifications';

/** From one mark on an object to the next. Less than the time-out that senders commonly have, as they wait for it. */
const INTERVAL_MS = 250;

/** Marks that are written at once. */
const CONCURRENCY = 8;

/** Writes on objects that their tag was pushed, for whichever replica leads. */
export interface Marks {
  /**
   * Resolves when a mark that began after this call is written: the registry is asked after that. Whoever asks for one meanwhile
   * shares it. An object that is gone needs none.
   * @throws KubeError, TransportError as the client does
   */
  mark(image: AcceleratedImage): Promise<void>;
  /** Whether the cached object may lack a mark that this replica has just made. */
  isRecent(key: Key): boolean;
}

/** Makes it. */
export function createMarks(client: Pick<KubeClient, 'apply'>, clock: Clock): Marks {
  /** Marks that have not begun. */
  const coming = new Map<Key, Promise<void>>();
  /** The rest of the interval of those that have. */
  const recent = new Map<Key, Promise<void>>();
  const limit = pLimit(CONCURRENCY);

  async function take(key: Key, image: AcceleratedImage): Promise<void> {
    await recent.get(key);
    await limit(async () => {
      coming.delete(key);
      const rest = clock.sleep(INTERVAL_MS).finally(() => recent.delete(key));
      recent.set(key, rest);
      await write(image);
    });
  }

  async function write({ metadata: { namespace, name, uid } }: AcceleratedImage): Promise<void> {
    const marked = {
      apiVersion: API_VERSION,
      kind: 'AcceleratedImage',
      metadata: { namespace, name, uid },
      status: { notification: { at: clock.now().toISOString() } },
    } as unknown as Manifest<AcceleratedImage>;
    const how = { fieldManager: FIELD_MANAGER, force: true, subresource: 'status' } as const;
    await client.apply(acceleratedImages, marked, how).catch((error: unknown) => {
      // One that has that name now and is another one is a conflict; it is in the cache when the sender comes again.
      if (!isNotFound(error)) {
        throw error;
      }
    });
  }

  return {
    mark(image) {
      const key = keyOf(image);
      const shared = coming.get(key);
      if (shared !== undefined) {
        return shared;
      }
      const mark = take(key, image);
      coming.set(key, mark);
      return mark;
    },
    isRecent: (key) => recent.has(key),
  };
}
