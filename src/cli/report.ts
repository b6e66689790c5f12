import type { AcceleratedImage } from '../api/v1alpha1/acceleratedimage.ts';
import { READY } from '../api/v1alpha1/conditions.ts';
import { REWRITE_ANNOTATION } from '../api/v1alpha1/labels.ts';
import { decide, decideEphemeral } from '../rewriting/decide.ts';
import { explain, type Explanation } from '../rewriting/explain.ts';
import { fieldsOf, itemsOf } from '../rewriting/json.ts';
import { readPod } from '../rewriting/pod.ts';
import { restorePod } from '../rewriting/restore.ts';
import { keyOf } from '../runtime/object.ts';
import type { Facts } from './facts.ts';
import { notAsked, UNKNOWN, unmask, type ToldContainer } from './limits.ts';
import type { Gap } from './reader.ts';
import type { Subject } from './subjects.ts';

/** How up to date an AcceleratedImage is. Times are RFC 3339. */
export interface ImageState {
  /** Status of the condition Ready; `Unknown` where there is none yet. */
  readonly ready: string;
  readonly reason?: string;
  readonly message?: string;
  /** Since when Ready is what it is. */
  readonly since?: string;
  /** When the registry last said what the source is. */
  readonly resolvedAt?: string;
  /** How often it is asked. */
  readonly interval: string;
  /** When the artifact was made. */
  readonly convertedAt?: string;
}

/** What becomes of a container. */
export interface ContainerReport extends ToldContainer {
  /** What it runs, if that is not its image. */
  readonly runs?: string;
  /** Of the AcceleratedImage. */
  readonly state?: ImageState;
}

/** What becomes of a Pod. */
export interface Report {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** What admission noted on a Pod that exists, and when that was. `rewrite` is null where it noted nothing. */
  readonly admission?: { readonly rewrite: string | null; readonly at?: string };
  /** What would be decided now. */
  readonly outcome: 'Rewritten' | 'Skipped' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly remedy?: string;
  readonly containers: readonly ContainerReport[];
  /** What the user may not read, and what cannot be told for that. */
  readonly unknown: readonly Pick<Gap, 'right' | 'unknown'>[];
  readonly notes: readonly string[];
}

/** Explains a subject by the same decision that admission takes. */
export function reportOf(subject: Subject, facts: Facts, now: Date): Report {
  const { kind, namespace, name, exists } = subject;
  const gaps = facts.gaps.filter((gap) => gap.namespace === undefined || gap.namespace === namespace);
  const { containers, ...whole } = notAsked(unmask(explainSubject(subject, facts, now), gaps), namespace, facts);
  return {
    kind,
    namespace,
    name,
    ...(exists ? { admission: admissionOf(subject.pod) } : {}),
    outcome: whole.reason === 'Rewritten' ? 'Rewritten' : whole.reason === UNKNOWN ? 'Unknown' : 'Skipped',
    ...whole,
    containers: containers.map((container) => ({
      ...container,
      ...runsOf(container, subject),
      ...stateOf(container, facts.images),
    })),
    unknown: gaps.map(({ right, unknown }) => ({ right, unknown })),
    notes: notesOf(subject, facts),
  };
}

/** The next Pod of a workload, or an existing one as if it were new, with what it has of ephemeral containers. */
function explainSubject({ pod, namespace, exists }: Subject, { index, images }: Facts, now: Date): Explanation {
  if (!exists) {
    return explain(decide(pod, namespace, index, now));
  }
  const classSelector = index.runtimeClass?.nodeSelector ?? new Map<string, string>();
  const explanation = explain(decide(restorePod(pod, classSelector), namespace, index, now));
  const ephemeral = explain(decideEphemeral(withSources(pod, images), {}, namespace, index, now));
  return { ...explanation, containers: [...explanation.containers, ...ephemeral.containers] };
}

/** The original images of ephemeral containers, of which admission cannot leave a note. */
function withSources(pod: object, images: readonly AcceleratedImage[]): object {
  const sources = new Map(
    images.flatMap(({ spec, status }) =>
      [status?.artifact, ...(status?.replicas ?? [])].map((made) => [made?.image, spec.source.image] as const),
    ),
  );
  const spec = fieldsOf(fieldsOf(pod)['spec']);
  const ephemeralContainers = itemsOf(spec['ephemeralContainers']).map((item) => {
    const container = fieldsOf(item);
    return { ...container, image: sources.get(String(container['image'])) ?? container['image'] };
  });
  return { ...pod, spec: { ...spec, ephemeralContainers } };
}

function admissionOf(pod: object): { rewrite: string | null; at?: string } {
  const { creationTimestamp } = fieldsOf(fieldsOf(pod)['metadata']);
  return {
    rewrite: readPod(pod).annotations.get(REWRITE_ANNOTATION) ?? null,
    ...(typeof creationTimestamp === 'string' ? { at: creationTimestamp } : {}),
  };
}

function runsOf({ name, image }: { name: string; image: string }, { pod }: Subject): { runs?: string } {
  const runs = readPod(pod).containers.find((container) => container.name === name)?.image;
  return runs === undefined || runs === image ? {} : { runs };
}

function stateOf(
  { acceleratedImage }: { acceleratedImage?: string },
  images: readonly AcceleratedImage[],
): { state?: ImageState } {
  const image = images.find((each) => keyOf(each) === acceleratedImage);
  if (image === undefined) {
    return {};
  }
  const { spec, status } = image;
  const ready = status?.conditions?.find(({ type }) => type === READY);
  return {
    state: {
      ready: ready?.status ?? 'Unknown',
      ...(ready === undefined ? {} : { reason: ready.reason, message: ready.message, since: ready.lastTransitionTime }),
      ...(status?.source === undefined ? {} : { resolvedAt: status.source.resolvedAt }),
      interval: spec.source.interval,
      ...(status?.artifact === undefined ? {} : { convertedAt: status.artifact.convertedAt }),
    },
  };
}

function notesOf({ kind, namespace }: Subject, { missing }: Facts): readonly string[] {
  return [
    ...(missing.has(namespace)
      ? [`The Namespace ${namespace} does not exist yet; it is taken to be without labels.`]
      : []),
    ...(kind === 'DaemonSet' ? ['Each Pod of a DaemonSet is bound to a node, and decided about for that node.'] : []),
  ];
}
