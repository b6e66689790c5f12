import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import type { FollowedTags } from '../../notifications/followed.ts';
import { parseNotification, type Form } from '../../notifications/parse.ts';
import type { PushedTag } from '../../notifications/pushed.ts';
import type { ReadStore } from '../../runtime/store.ts';
import { keyOf } from '../../runtime/object.ts';
import { isNotified } from '../acceleratedimage/notified.ts';
import type { Marks } from './marks.ts';
import type { Outcome } from './metrics.ts';

export interface ReceiveOptions {
  readonly followed: FollowedTags;
  readonly images: ReadStore<AcceleratedImage>;
  readonly marks: Marks;
}

/** What became of the body of a notification. */
export interface Received {
  readonly form?: Form;
  readonly outcome: Extract<Outcome, 'marked' | 'known' | 'unmatched' | 'ignored' | 'malformed'>;
  /** Objects that were marked. */
  readonly objects: number;
}

/** Takes a notification that comes from somebody with a token, and returns once nothing can be lost of it any more. */
export type Receive = (body: string) => Promise<Received>;

/**
 * Makes it. A notification is a hint: the objects that follow a tag that it names are marked, and the leader asks their
 * registry what the tag means. Nothing else of it is used, so who holds a token can have registries asked, and no more.
 */
export function createReceiver({ followed, images, marks }: ReceiveOptions): Receive {
  return async (body) => {
    const notification = parseNotification(body);
    if (notification === undefined) {
      return { outcome: 'malformed', objects: 0 };
    }
    const { form, pushed } = notification;
    if (pushed.length === 0) {
      return { form, outcome: 'ignored', objects: 0 };
    }
    const following = pushed.flatMap((tag) =>
      followed.followersOf(tag).flatMap((key) => {
        const image = images.get(key);
        return image === undefined ? [] : [{ tag, image }];
      }),
    );
    const news = new Set(following.flatMap(({ tag, image }) => (knows(image, tag) ? [] : image)));
    if (news.size === 0) {
      return { form, outcome: following.length === 0 ? 'unmatched' : 'known', objects: 0 };
    }
    await Promise.all([...news].map((image) => marks.mark(image)));
    return { form, outcome: 'marked', objects: news.size };
  };

  /** Whether the registry has told the operator already what the sender says, and nothing was said since. */
  function knows(image: AcceleratedImage, { digest }: PushedTag): boolean {
    const source = image.status?.source;
    return (
      digest !== undefined &&
      source?.digest === digest &&
      source.image === image.spec.source.image &&
      !isNotified(image) &&
      !marks.isRecent(keyOf(image))
    );
  }
}
