import type { ContainerExplanation, Explanation } from '../rewriting/explain.ts';
import type { Facts } from './facts.ts';
import type { Gap } from './reader.ts';
import { asksAbout } from './webhook.ts';

/** Reason of what cannot be told for want of a right. */
export const UNKNOWN = 'Unknown';

/** Reason of Pods that the API server does not ask Slipstream about. */
export const NOT_ASKED = 'NotAsked';

/** What keeps a container as it is. `reason` is a SkipReason or one of the two above. */
export interface Obstacle {
  readonly reason: string;
  readonly message: string;
  readonly remedy: string;
}

/** What becomes of a container, as far as it can be told. */
export interface ToldContainer extends Omit<ContainerExplanation, 'skips'> {
  readonly skips: readonly Obstacle[];
}

/** What becomes of a Pod, as far as it can be told. */
export interface Told {
  /** `Rewritten`, or that of an {@link Obstacle}. */
  readonly reason: string;
  readonly message: string;
  readonly remedy?: string;
  readonly containers: readonly ToldContainer[];
}

/** Puts `Unknown` in place of findings that only say what could not be read. */
export function unmask(explanation: Explanation, gaps: readonly Gap[]): Told {
  const honest = <T extends { reason: string; message: string }>(finding: T): T | (T & Obstacle) => {
    const gap = gaps.find(({ masks }) => masks === finding.reason);
    return gap === undefined ? finding : { ...finding, ...unknown(gap) };
  };
  return {
    ...honest(explanation),
    containers: explanation.containers.map((container) => ({
      ...container,
      skips: container.skips.map((skip) => honest(skip)),
    })),
  };
}

/** Says of a Pod that an AcceleratedImage names if the webhook is not asked about it, which no decision can see. */
export function notAsked(told: Told, namespace: string, facts: Facts): Told {
  const obstacle = obstacleOf(namespace, facts);
  if (obstacle === undefined || told.containers.every(({ acceleratedImage }) => acceleratedImage === undefined)) {
    return told;
  }
  return {
    ...obstacle,
    containers: told.containers.map(({ artifact: _artifact, ...container }) =>
      container.acceleratedImage === undefined ? container : { ...container, skips: [obstacle, ...container.skips] },
    ),
  };
}

function unknown({ right, unknown: what }: Gap): Obstacle {
  return {
    reason: UNKNOWN,
    message: `it cannot be told ${what}: you may not ${right}`,
    remedy: `Ask for the right to ${right}.`,
  };
}

function obstacleOf(namespace: string, { webhook, namespaces, index }: Facts): Obstacle | undefined {
  const labels = namespaces.get(namespace);
  if (webhook === 'Forbidden' || labels === undefined) {
    return undefined;
  }
  if (webhook === 'Missing') {
    return {
      reason: NOT_ASKED,
      message: 'the webhook of Slipstream is not registered with the API server',
      remedy: 'Install the chart again, or name the release by --operator-name.',
    };
  }
  // A namespace that opted out is not asked about either, and that is the better reason.
  return index.namespaceState(namespace) === 'OptedOut' || asksAbout(webhook, labels)
    ? undefined
    : {
        reason: NOT_ASKED,
        message: `the API server does not ask Slipstream about Pods of the namespace ${namespace}`,
        remedy: "Take the namespace out of webhook.excludedNamespaces in the chart's values.",
      };
}
