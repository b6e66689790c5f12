import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { AcceleratedImageReason as Reason, READY, RECONCILING } from '../../api/v1alpha1/conditions.ts';
import type { Clock } from '../../runtime/clock.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { Controller } from '../../runtime/controller.ts';
import type { Informer } from '../../runtime/informer.ts';
import { keyOf, type Key } from '../../runtime/object.ts';

/** From one look at an object because of a notification to the next. */
const INTERVAL_MS = 1000;

/** Whether its tag is said to have been pushed, and the registry was not asked since. Clocks are not compared: replicas differ. */
export function isNotified({ status }: AcceleratedImage): boolean {
  return status?.notification !== undefined && status.notification.at !== status.source?.notifiedAt;
}

/** Has objects reconciled that a notification is about: at once, and each once a second at most, however many come. */
export function followNotifications(
  images: Pick<Informer<AcceleratedImage>, 'onChange'>,
  controller: Pick<Controller, 'enqueueAfter'>,
  clock: Clock,
): void {
  const looked = new Map<Key, number>();
  images.onChange((change) => {
    const key = keyOf(change.object);
    if (change.type === 'deleted') {
      looked.delete(key);
      return;
    }
    const before = change.type === 'updated' ? change.old.status?.notification?.at : undefined;
    if (change.object.status?.notification?.at === before || !isNotified(change.object) || isPaused(change.object)) {
      return;
    }
    const now = clock.monotonic();
    const at = Math.max(now, (looked.get(key) ?? -Infinity) + INTERVAL_MS);
    looked.set(key, at);
    controller.enqueueAfter(key, at - now);
  });
}

/** Whether its registry asked for patience: the object is looked at when that is over, and the mark stays until then. */
function isPaused({ status }: AcceleratedImage): boolean {
  return [READY, RECONCILING].some(
    (type) => findCondition(status?.conditions ?? [], type)?.reason === Reason.RateLimited,
  );
}
