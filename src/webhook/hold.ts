import { holdOperations } from '../holding/gate.ts';
import type { HoldIndex } from '../holding/index.ts';
import { judge } from '../holding/judge.ts';
import { subjectOf } from '../holding/subject.ts';
import type { Decision } from '../rewriting/decide.ts';
import type { RewriteIndex } from '../rewriting/index.ts';
import type { Operation } from '../rewriting/patch.ts';

/** What holding a new Pod depends on. */
export interface HoldOptions {
  readonly index: HoldIndex;
  /** Which Namespaces opted out. */
  readonly namespaces: Pick<RewriteIndex, 'namespaceState'>;
  /** Whether others than this process would let a Pod go. */
  readonly releaserAlive: () => boolean;
}

/** What has a new Pod of a namespace wait, after what was decided about its images; nothing for one that is to go on. */
export type Hold = (pod: unknown, decision: Decision, namespace: string, now: Date) => readonly Operation[];

/** Makes a {@link Hold}: no I/O. Nothing waits unless somebody beside the operator is there to end it. */
export function createHold({ index, namespaces, releaserAlive }: HoldOptions): Hold {
  return (pod, { pod: facts, containers, rewrites }, namespace, now) => {
    const mayWait =
      !facts.mirror &&
      !facts.optedOut &&
      // The API server refuses a gate on a Pod that has its node.
      facts.constraints.nodeName === undefined &&
      namespaces.namespaceState(namespace) === 'Included';
    if (!mayWait || !releaserAlive()) {
      return [];
    }
    const rewritten = new Map(rewrites.map(({ container, image }) => [container, image]));
    const images = new Set(containers.map((container) => rewritten.get(container) ?? container.image));
    const verdict = judge({ ...subjectOf(pod, namespace, facts), images }, index, now);
    return verdict.held ? holdOperations(pod, verdict.maxDuration) : [];
  };
}
