import type { Instant } from '../../scaleout/instant.ts';
import { phasesOf, type Phases } from '../../scaleout/phases.ts';
import type { Timeline } from '../../scaleout/timeline.ts';

/** Pods that a line of the log has room for. */
const MOST_PODS = 20;

/** The fields of a log line that tell a whole scale-out. Times are RFC 3339, durations seconds. */
export function lineOf(timeline: Timeline): {
  moments: Readonly<Record<string, string>>;
  seconds: Phases;
  pods: readonly Readonly<Record<string, string>>[];
} {
  const { decided, warmStarted, warmVerified, scaled, pods } = timeline;
  return {
    moments: times({ decided, warmStarted, warmVerified, scaled }),
    seconds: phasesOf(timeline),
    pods: pods.slice(0, MOST_PODS).map(({ name, node, created, scheduled, started, ready }) => ({
      name,
      ...(node === undefined ? {} : { node }),
      ...times({ created, scheduled, started, ready }),
    })),
  };
}

function times(instants: Readonly<Record<string, Instant | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(instants).flatMap(([name, instant]) =>
      instant === undefined ? [] : [[name, new Date(instant.ms).toISOString()]],
    ),
  );
}
