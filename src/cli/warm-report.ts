import type { BlobReason, BlobState } from '../dragonfly/provider.ts';
import type { PlannedImage } from '../warming/plan.ts';

/** What one seed peer has of one image. */
export interface SeedReport {
  readonly seed: string;
  readonly warm: boolean;
  /** Blobs of which every piece was read back. */
  readonly blobs: number;
  /** Their bytes. */
  readonly bytes: number;
  /** Why the others are not warm, the most frequent reason first. */
  readonly cold: readonly {
    readonly reason: BlobReason | 'Unknown';
    readonly blobs: number;
    /** Of the first of them. */
    readonly message: string;
  }[];
}

/** What the seed peers have of one image for one platform. */
export interface ImageReport {
  readonly image: string;
  readonly digest: string;
  readonly platform: string;
  readonly blobs: number;
  readonly bytes: number;
  readonly seeds: readonly SeedReport[];
}

/** Sums up, seed by seed, what was found of the blobs of one image. */
export function reportOfImage(planned: PlannedImage, states: readonly BlobState[]): ImageReport {
  const { image, digest, platform, bytes, warm } = planned;
  const sizes = new Map(warm.blobs.map((blob) => [blob.digest, blob.size]));
  const bySeed = Map.groupBy(states, ({ seed }) => seed);
  const seeds = [...bySeed].map(([seed, found]): SeedReport => {
    const whole = found.filter((state) => state.warm);
    const cold = Map.groupBy(
      found.filter((state) => !state.warm),
      ({ reason }): BlobReason | 'Unknown' => reason ?? 'Unknown',
    );
    return {
      seed,
      warm: whole.length === warm.blobs.length,
      blobs: whole.length,
      bytes: whole.reduce((sum, state) => sum + (sizes.get(state.digest) ?? 0), 0),
      cold: [...cold]
        .map(([reason, each]) => ({ reason, blobs: each.length, message: each[0]?.message ?? '' }))
        .toSorted((left, right) => right.blobs - left.blobs),
    };
  });
  return { image, digest, platform, blobs: warm.blobs.length, bytes, seeds };
}

/** Whether every seed has all of every image. */
export function isWarm(reports: readonly ImageReport[]): boolean {
  return reports.every(({ seeds }) => seeds.length > 0 && seeds.every((seed) => seed.warm));
}

const REMEDIES: Readonly<Record<BlobReason | 'Unknown', string>> = {
  Cold: 'run it again; if that changes nothing, look at the log of the seed peer',
  Evicted: 'run it again, and give the seed peer more space',
  // The message says what to set.
  TaskIDMismatch: '',
  SeedUnreachable: 'check that the seed peer runs, and that the port of its proxy can be reached from here',
  OriginRejected: 'check that the registry has the blob, and that it gives it to the seed peer with these credentials',
  SeedDiskFull:
    'give the seed peer more disk, or let it throw away more (gc.policy in its dfdaemon.yaml), and run it again',
  Unknown: 'run it again',
};

/** What is wrong, and what to do: the first seed that has not everything speaks for all. */
export function complaint(reports: readonly ImageReport[]): string {
  const seeds = reports.flatMap((report) => report.seeds);
  const names = new Set(seeds.map(({ seed }) => seed));
  const cold = seeds.filter((seed) => !seed.warm);
  const [first] = cold.flatMap((seed) => seed.cold);
  const where = `${new Set(cold.map(({ seed }) => seed)).size} of ${names.size} seed peers`;
  const remedy = first === undefined ? '' : REMEDIES[first.reason];
  return `not warm on ${where}: ${first?.message ?? 'nothing was found'}${remedy === '' ? '' : `; ${remedy}`}`;
}
