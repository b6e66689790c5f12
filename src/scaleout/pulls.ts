import { durationMs } from '../api/v1alpha1/duration.ts';
import type { Event } from '../kube/resources.ts';
import { lastOf, recorded, type Instant } from './instant.ts';

/** How the images of a Pod came to its node. */
export interface Pull {
  /** When the last of them was there. */
  readonly at: Instant;
  /** Seconds that the kubelet pulled, all images together; undefined where it does not say. */
  readonly seconds?: number;
  /** Whether all of them were on the node already. */
  readonly present: boolean;
}

/** The pulls that the kubelet's Events tell of, by the uid of the Pod. */
export function pullsOf(events: readonly Event[]): ReadonlyMap<string, Pull> {
  // By Pod and container, the first each: a container that restarts has its image pulled, or found, again.
  const first = new Map<string, { uid: string; pull: Pull }>();
  for (const event of events) {
    const { uid = '', fieldPath = '' } = event.regarding ?? {};
    const pull = event.reason === 'Pulled' ? pullOf(event) : undefined;
    const known = first.get(uid + fieldPath)?.pull;
    if (pull !== undefined && (known === undefined || pull.at.ms < known.at.ms)) {
      first.set(uid + fieldPath, { uid, pull });
    }
  }
  const pulls = new Map<string, Pull>();
  for (const { uid, pull } of first.values()) {
    const before = pulls.get(uid);
    pulls.set(uid, before === undefined ? pull : together(before, pull));
  }
  return pulls;
}

function pullOf({ note = '', eventTime, deprecatedFirstTimestamp, metadata }: Event): Pull | undefined {
  const at = recorded(eventTime) ?? recorded(deprecatedFirstTimestamp) ?? recorded(metadata.creationTimestamp);
  if (at === undefined) {
    return undefined;
  }
  // As the kubelet writes it: `Successfully pulled image "web" in 1.2s (1.5s including waiting). Image size: 9 bytes.`
  const [, duration = ''] = /^Successfully pulled image ".*" in ([0-9hms.]+)/.exec(note) ?? [];
  const ms = durationMs(duration);
  return {
    at,
    ...(ms === undefined ? {} : { seconds: ms / 1000 }),
    present: / already present on machine/.test(note),
  };
}

function together(a: Pull, b: Pull): Pull {
  const seconds = (a.seconds ?? 0) + (b.seconds ?? 0);
  return {
    at: lastOf([a.at, b.at]) ?? a.at,
    ...(a.seconds === undefined && b.seconds === undefined ? {} : { seconds }),
    present: a.present && b.present,
  };
}
