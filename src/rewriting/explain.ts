import { nameOf } from './check.ts';
import type { Decision } from './decide.ts';
import type { ContainerFacts } from './pod.ts';
import { SkipReason, type Finding } from './reasons.ts';
import { REMEDIES } from './remedies.ts';
import type { Verdict } from './verdicts.ts';

/** What kind of container it is. */
export type ContainerKind = 'init' | 'main' | 'ephemeral';

/** Why something is left as it was, and what would have to change. */
export interface Explained extends Finding {
  readonly remedy: string;
}

/** What becomes of one container. */
export interface ContainerExplanation {
  readonly name: string;
  readonly kind: ContainerKind;
  /** As it came in. */
  readonly image: string;
  /** `namespace/name` of the AcceleratedImage that names the image. */
  readonly acceleratedImage?: string;
  /** What it is rewritten to. */
  readonly artifact?: string;
  /** What keeps it as it was, in the order of the checks; none where it is rewritten. */
  readonly skips: readonly Explained[];
}

/** What becomes of a Pod, container by container. */
export interface Explanation {
  readonly reason: Decision['reason'];
  readonly message: string;
  /** What would have to change; undefined for a Pod that is rewritten. */
  readonly remedy?: string;
  readonly containers: readonly ContainerExplanation[];
}

const KINDS: Readonly<Record<ContainerFacts['list'], ContainerKind>> = {
  initContainers: 'init',
  containers: 'main',
  ephemeralContainers: 'ephemeral',
};

/** Says what a decision means for each container that it is about. Pure: nothing is decided here. */
export function explain(decision: Decision): Explanation {
  const { reason, message, containers } = decision;
  return {
    reason,
    message,
    ...(reason === 'Rewritten' ? {} : { remedy: REMEDIES[reason].text }),
    containers: containers.map((container) => explainContainer(container, decision)),
  };
}

function explainContainer(container: ContainerFacts, decision: Decision): ContainerExplanation {
  const { name, list, image } = container;
  const verdict = decision.verdicts.find((each) => each.container === container);
  const artifact = decision.rewrites.find((each) => each.container === container)?.image;
  return {
    name,
    kind: KINDS[list],
    image,
    ...(verdict === undefined ? {} : { acceleratedImage: nameOf(verdict.candidate) }),
    ...(artifact === undefined ? {} : { artifact }),
    skips: findingsOf(container, verdict, decision).map((finding) => ({
      ...finding,
      remedy: REMEDIES[finding.reason].text,
    })),
  };
}

/** What holds for the whole Pod keeps a container too, but only one that something names. */
function findingsOf(
  { name }: ContainerFacts,
  verdict: Verdict | undefined,
  { objection, earlier }: Decision,
): readonly Finding[] {
  if (verdict !== undefined) {
    return [objection, verdict.finding].filter((finding) => finding !== undefined);
  }
  return earlier.has(name)
    ? [{ reason: SkipReason.AlreadyRewritten, message: 'its image was rewritten before' }]
    : [{ reason: SkipReason.NoAcceleratedImage, message: 'no AcceleratedImage in reach names its image' }];
}
