import type { WarmProgress } from '../../dragonfly/provider.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Pass } from './pass.ts';
import type { PlannedImage } from '../../warming/plan.ts';

/** Tells the Pods that are held, by the status, that one seed peer has their images, before all of them have. */
export interface FirstSeeds {
  /** Takes note of how far the warm of an image is. */
  progress: (image: PlannedImage, progress: WarmProgress) => void;
  /** Resolves when what was noted is written; what comes afterwards is not noted any more. */
  end: () => Promise<void>;
}

/** Records for a policy that holds when one seed peer had all of each image. */
export function recordFirstSeeds(
  { policy, draft }: Pick<Pass, 'policy' | 'draft'>,
  clock: Clock,
  write: () => Promise<void>,
): FirstSeeds {
  const recorded = new Set<string>();
  let ended = false;
  let writing = Promise.resolve();
  return {
    progress({ digest, platform, warm }, { blobs }) {
      const key = `${platform} ${digest}`;
      if (policy.spec.hold === undefined || ended || recorded.has(key) || blobs < warm.blobs.length) {
        return;
      }
      recorded.add(key);
      const firstSeedAt = clock.now().toISOString();
      draft.images = draft.images?.map((each) =>
        each.digest === digest && each.platform === platform ? { ...each, firstSeedAt } : each,
      );
      // Whether it can be written or not: the warm goes on, and the write at its end tells of a failure.
      writing = writing.then(write).catch(() => undefined);
    },
    async end() {
      ended = true;
      await writing;
    },
  };
}
