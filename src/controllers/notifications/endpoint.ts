import type { Logger } from 'pino';
import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import type { Config } from '../../config.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Secret } from '../../kube/resources.ts';
import { FollowedTags } from '../../notifications/followed.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Informer } from '../../runtime/informer.ts';
import { keyOf } from '../../runtime/object.ts';
import { followedImages } from './followed-images.ts';
import { createMarks } from './marks.ts';
import type { NotificationMetrics } from './metrics.ts';
import { createReceiver } from './receive.ts';
import { followTokens } from './secret.ts';
import { createNotificationServer, type NotificationServer } from './server.ts';

export interface EndpointOptions {
  readonly client: KubeClient;
  readonly config: Pick<Config, 'registries'>;
  readonly images: Informer<AcceleratedImage>;
  /** The Secret of the tokens. */
  readonly tokens: Informer<Secret>;
  readonly metrics: NotificationMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly port: number;
}

/** Wires what takes notifications on every replica; the one that leads sees the marks by its watch. */
export function createNotificationEndpoint(o: EndpointOptions): NotificationServer {
  const { client, images, clock, log, metrics, port } = o;
  const followed = new FollowedTags(o.config.registries.map(({ host }) => host));
  images.onChange(({ type, object }) =>
    type === 'deleted' ? followed.delete(keyOf(object)) : followed.set(keyOf(object), followedImages(object.spec)),
  );
  const marks = createMarks(client, clock);
  return createNotificationServer({
    receive: createReceiver({ followed, images: images.store, marks }),
    tokens: followTokens(o.tokens, log),
    metrics,
    clock,
    log,
    port,
  });
}
