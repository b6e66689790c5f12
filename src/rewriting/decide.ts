import { ANNOTATIONS_LIMIT, fits } from './annotations.ts';
import { CANDIDATE_CHECKS, RUNNING_CANDIDATE_CHECKS } from './candidate-checks.ts';
import { firstFinding, nameOf, usesRuntimeClass, type CandidateInput, type Check, type PodInput } from './check.ts';
import type { RewriteIndex, RuntimeClassFacts } from './index.ts';
import type { Landing } from './nodes.ts';
import { PLACEMENT_CHECKS, RUNNING_PLACEMENT_CHECKS } from './placement-checks.ts';
import { POD_CHECKS, RUNNING_POD_CHECKS } from './pod-checks.ts';
import { readPod, type ContainerFacts, type PodFacts } from './pod.ts';
import { SkipReason, type Finding } from './reasons.ts';
import { earlierOf, judge, type Verdict } from './verdicts.ts';

/** One container to rewrite. */
export interface Rewrite {
  readonly container: ContainerFacts;
  /** `repository:tag@sha256:…`. */
  readonly image: string;
  /** `namespace/name` of the AcceleratedImage. */
  readonly acceleratedImage: string;
  /** Milliseconds since the epoch after which what the tag names has to be confirmed again; infinite for a digest. */
  readonly goodUntil: number;
}

/** What becomes of a Pod. */
export interface Decision {
  readonly pod: PodFacts;
  readonly reason: 'Rewritten' | SkipReason;
  /** The same for a person. */
  readonly message: string;
  /** The containers that were looked at. */
  readonly containers: readonly ContainerFacts[];
  /** What keeps the whole Pod as it is, whatever its images; undefined where nothing does. */
  readonly objection: Finding | undefined;
  /** Those of the containers that an AcceleratedImage names, and what it says, also of a Pod that is left as it was. */
  readonly verdicts: readonly Verdict[];
  /** Containers to rewrite; none unless the reason is Rewritten. */
  readonly rewrites: readonly Rewrite[];
  /** Container name → reference before an earlier rewrite, for the containers that run an artifact already. */
  readonly earlier: ReadonlyMap<string, string>;
  /** Whether an AcceleratedImage names an image of the Pod, so that the Pod is told the outcome. */
  readonly named: boolean;
  /** Class to set on the Pod; undefined where none is to be set. */
  readonly runtimeClass: RuntimeClassFacts | undefined;
  /** Secrets of the Pod's namespace that pull artifacts from a registry which the originals did not come from. */
  readonly pullSecrets: readonly string[];
}

/**
 * What becomes of a new Pod, or of the Pods of a template. Pure and total: it reads nothing but its arguments and never
 * throws, whatever comes in for the Pod.
 *
 * A RuntimeClass holds for a whole Pod, so its checks do too. Of a Pod whose images are only partly accelerated, those that
 * can be are rewritten: the others are pulled into the Nydus snapshotter, which keeps ordinary layers as overlayfs does.
 * (Where the node has such an image in overlayfs already, containerd unpacks it again from its content store, as it does
 * with the pause image of every Nydus Pod; `discard_unpacked_layers` must be off for either.)
 *
 * A Pod may come with artifacts in it and without what they need, as the copies of `kubectl debug --copy-to` do, which lose
 * their annotations: it gets the RuntimeClass and the annotations again.
 *
 * @param pod a v1.Pod or v1.PodTemplateSpec
 * @param namespace where the Pod is to be: a request's word counts, the object may leave it out
 */
export function decide(pod: unknown, namespace: string, index: RewriteIndex, now: Date): Decision {
  const facts = readPod(pod);
  const containers = facts.containers.filter(({ list }) => list !== 'ephemeralContainers');
  const stages: Stages = {
    before: POD_CHECKS,
    candidate: CANDIDATE_CHECKS,
    after: PLACEMENT_CHECKS,
    runtimeClass: index.runtimeClass,
  };
  const decision = decideAbout(containers, inputOf(facts, namespace, index), stages, now);
  return decision.reason !== 'Rewritten' || fits(decision) ? decision : withoutRoom(decision);
}

/**
 * What would become of a Pod of which somebody else makes the checks of the Pod itself (its opt-out, its owner, its pull
 * policies): whether its images can be rewritten, and whether it may land where they run.
 * @param namespace empty for any namespace without an AcceleratedImage of its own
 */
export function decidePlacement(pod: unknown, namespace: string, index: RewriteIndex, now: Date): Decision {
  const facts = readPod(pod);
  const stages: Stages = {
    before: [],
    candidate: CANDIDATE_CHECKS,
    after: PLACEMENT_CHECKS,
    runtimeClass: index.runtimeClass,
  };
  return decideAbout(facts.containers, inputOf(facts, namespace, index), stages, now);
}

/**
 * What becomes of the ephemeral containers that an update of `pods/ephemeralcontainers` adds. Nothing else of a running Pod
 * can change, so they are rewritten only where its RuntimeClass is ours already and its node is capable.
 */
export function decideEphemeral(
  pod: unknown,
  oldPod: unknown,
  namespace: string,
  index: RewriteIndex,
  now: Date,
): Decision {
  const facts = readPod(pod);
  const before = new Set(readPod(oldPod).containers.map(({ name }) => name));
  const added = facts.containers.filter(({ list, name }) => list === 'ephemeralContainers' && !before.has(name));
  const settled: PodFacts = {
    ...facts,
    // The scheduler has decided already; only the node counts.
    constraints: {
      nodeName: facts.constraints.nodeName ?? '',
      nodeSelector: [],
      terms: undefined,
      tolerations: [{ key: '', operator: 'Exists', value: '', effect: '' }],
      os: undefined,
      devices: [],
    },
  };
  const stages: Stages = {
    before: RUNNING_POD_CHECKS,
    candidate: RUNNING_CANDIDATE_CHECKS,
    after: RUNNING_PLACEMENT_CHECKS,
    runtimeClass: undefined,
  };
  return decideAbout(added, inputOf(settled, namespace, index), stages, now);
}

interface Stages {
  readonly before: readonly Check<PodInput>[];
  readonly candidate: readonly Check<CandidateInput>[];
  readonly after: readonly Check<PodInput>[];
  readonly runtimeClass: RuntimeClassFacts | undefined;
}

function inputOf(pod: PodFacts, namespace: string, index: RewriteIndex): PodInput {
  let landing: Landing | undefined;
  return { pod, namespace, index, landing: () => (landing ??= index.landing(pod.constraints)) };
}

function decideAbout(containers: readonly ContainerFacts[], input: PodInput, stages: Stages, now: Date): Decision {
  const { pod } = input;
  const refused = firstFinding(stages.before, input);
  const { verdicts, artifacts } = judge(containers, input, stages.candidate, now);
  const earlier = earlierOf(pod, verdicts, artifacts);
  const usable = verdicts.filter(({ finding }) => finding === undefined);
  const restored = artifacts.size > 0 && lacksRuntimeClass(pod, stages.runtimeClass);
  const changes = usable.length > 0 || restored;
  const objection = refused ?? (changes ? firstFinding(stages.after, input) : undefined);
  const found = { pod, containers, objection, verdicts, earlier, named: verdicts.length > 0 };
  if (objection !== undefined || !changes) {
    const finding = objection ?? verdicts[0]?.finding ?? nothingNamed(earlier);
    return { ...found, ...finding, ...NOTHING };
  }
  const rewrites = usable.flatMap(({ container, candidate, artifact, goodUntil }) =>
    artifact === undefined ? [] : { container, image: artifact.image, acceleratedImage: nameOf(candidate), goodUntil },
  );
  return {
    ...found,
    reason: 'Rewritten',
    message: messageOf(rewrites, restored ? [...artifacts.keys()] : []),
    rewrites,
    named: true,
    runtimeClass: usesRuntimeClass(input.index.config) ? stages.runtimeClass : undefined,
    pullSecrets: [...new Set(usable.flatMap(({ pullSecret }) => pullSecret ?? []))],
  };
}

/** Whether a Pod that runs artifacts has lost what they need, so that its node would unpack them as ordinary images. */
function lacksRuntimeClass(pod: PodFacts, runtimeClass: RuntimeClassFacts | undefined): boolean {
  return (
    runtimeClass !== undefined &&
    (pod.runtimeClassName !== runtimeClass.name || pod.runtimeHandler !== runtimeClass.handler)
  );
}

function messageOf(rewrites: readonly Rewrite[], restored: readonly ContainerFacts[]): string {
  return [
    ...rewrites.map(({ container, image }) => `${container.name}: ${container.image} → ${image}`),
    ...restored.map(({ name, image }) => `${name}: gets what ${image} needs to run`),
  ].join('; ');
}

function nothingNamed(earlier: ReadonlyMap<string, string>): Finding {
  return earlier.size > 0
    ? { reason: SkipReason.AlreadyRewritten, message: 'its images were rewritten before' }
    : { reason: SkipReason.NoAcceleratedImage, message: 'no AcceleratedImage in reach names one of its images' };
}

/** What becomes of a Pod that the API server would refuse for its annotations if it were rewritten. */
function withoutRoom(decision: Decision): Decision {
  const objection = {
    reason: SkipReason.AnnotationsFull,
    message: `its annotations would grow beyond the ${ANNOTATIONS_LIMIT} bytes that the API server takes`,
  };
  return { ...decision, objection, ...objection, ...NOTHING };
}

/** What is done to a Pod that is left as it was. */
const NOTHING = { rewrites: [], runtimeClass: undefined, pullSecrets: [] } as const;
