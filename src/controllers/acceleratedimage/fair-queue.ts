/** A conversion that waits for a place. */
export interface Waiting {
  readonly namespace: string;
  /** Host of the registry that it reads from. */
  readonly registry: string;
  /** Which of its namespace comes first: the one with the smaller text. Unlike that of any other. */
  readonly turn: string;
}

/** A conversion that has its place. */
export interface Running {
  readonly namespace: string;
  readonly registry: string;
}

/** How many conversions may run at once. */
export interface Caps {
  readonly maxConcurrent: number;
  /** Of those, how many may read from one registry. */
  readonly maxConcurrentPerRegistry: number;
}

/**
 * The order in which conversions get places. The namespace with the fewest running comes first; of several, the one that was
 * served longest ago; then the one whose next has waited longest. So a namespace waits for as many conversions as there are
 * other namespaces, and not for as many as they have waiting.
 * @param servedAt when the newest conversion of a namespace got its place, as a text that sorts; empty for never
 */
export function fairOrder<T extends Waiting>(
  waiting: readonly T[],
  running: readonly Running[],
  servedAt: (namespace: string) => string,
): T[] {
  const lines = Map.groupBy(
    waiting.toSorted((a, b) => compare(a.turn, b.turn)),
    ({ namespace }) => namespace,
  );
  const levels = new Map<string, number>();
  for (const { namespace } of running) {
    levels.set(namespace, (levels.get(namespace) ?? 0) + 1);
  }
  const newcomers = [...lines]
    .map(([namespace, line]) => ({ line, level: levels.get(namespace) ?? 0, servedAt: servedAt(namespace) }))
    .toSorted(
      (a, b) =>
        a.level - b.level || compare(a.servedAt, b.servedAt) || compare(a.line[0]?.turn ?? '', b.line[0]?.turn ?? ''),
    );
  const order: T[] = [];
  // One of each line in each round. Those that join were served longer ago than those of the last round, who were served in it.
  let round: { line: readonly T[]; next: number }[] = [];
  for (let level = newcomers[0]?.level ?? 0; round.length > 0 || newcomers.length > 0; level += 1) {
    const joining = newcomers.findIndex((each) => each.level > level);
    const joined = newcomers.splice(0, joining === -1 ? newcomers.length : joining);
    round = [...joined.map(({ line }) => ({ line, next: 0 })), ...round].flatMap(({ line, next }) => {
      const taken = line[next];
      if (taken !== undefined) {
        order.push(taken);
      }
      return next + 1 < line.length ? [{ line, next: next + 1 }] : [];
    });
  }
  return order;
}

/** Which of those in line get a place now. What waits for a busy registry holds back nobody who waits for another one. */
export function served<T extends Waiting>(order: readonly T[], running: readonly Running[], caps: Caps): T[] {
  const { maxConcurrent, maxConcurrentPerRegistry } = caps;
  const busy = new Map<string, number>();
  const take = (registry: string): void => void busy.set(registry, (busy.get(registry) ?? 0) + 1);
  for (const { registry } of running) {
    take(registry);
  }
  const places = Math.max(0, maxConcurrent - running.length);
  const got: T[] = [];
  for (const next of order) {
    if (got.length >= places) {
      break;
    }
    if ((busy.get(next.registry) ?? 0) < maxConcurrentPerRegistry) {
      take(next.registry);
      got.push(next);
    }
  }
  return got;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
