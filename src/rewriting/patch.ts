import { annotationsOf, fits, type Wanted } from './annotations.ts';
import type { Decision } from './decide.ts';
import type { PodFacts } from './pod.ts';
import { SkipReason } from './reasons.ts';

/** One operation of a JSON Patch (RFC 6902); only these three are needed. `path` is a JSON Pointer (RFC 6901). */
export type Operation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/**
 * The smallest patch that carries out a decision about a new Pod. It holds what the API server's RuntimeClass plugin would
 * add as well, so that the plugin changes nothing and this webhook is not called again for its sake. Nothing that is in
 * place already is written, so that the patched Pod needs no patch. What the annotations of a Pod claim afterwards holds,
 * wherever they were copied from.
 */
export function patchOf(decision: Decision): readonly Operation[] {
  if (decision.reason === SkipReason.MirrorPod || !fits(decision)) {
    return [];
  }
  return [
    ...images(decision),
    ...annotations(decision.pod, annotationsOf(decision)),
    ...runtimeClass(decision),
    ...pullSecrets(decision),
  ];
}

/** The patch of an update of `pods/ephemeralcontainers`, where the API server lets nothing else change. */
export function ephemeralPatchOf(decision: Decision): readonly Operation[] {
  return images(decision);
}

function images({ rewrites }: Decision): readonly Operation[] {
  return rewrites.map(({ container: { list, index }, image }) => ({
    op: 'replace',
    path: `/spec/${list}/${index}/image`,
    value: image,
  }));
}

function annotations(pod: PodFacts, wanted: Wanted): readonly Operation[] {
  const values = new Map([...wanted].flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])));
  if (!pod.hasMetadata) {
    return values.size === 0
      ? []
      : [{ op: 'add', path: '/metadata', value: { annotations: Object.fromEntries(values) } }];
  }
  const path = '/metadata/annotations';
  const stale = [...wanted.keys()].filter((key) => !values.has(key) && pod.annotations.has(key));
  return [
    ...entries(path, pod.hasAnnotations, pod.annotations, values),
    ...stale.map((key) => ({ op: 'remove' as const, path: `${path}/${escapePointer(key)}` })),
  ];
}

function runtimeClass({ pod, runtimeClass: set }: Decision): readonly Operation[] {
  if (set === undefined) {
    return [];
  }
  return [
    ...(pod.runtimeClassName === set.name
      ? []
      : [{ op: 'add' as const, path: '/spec/runtimeClassName', value: set.name }]),
    ...entries('/spec/nodeSelector', pod.hasNodeSelector, pod.nodeSelector, set.nodeSelector),
  ];
}

function pullSecrets({ pod, pullSecrets: wanted }: Decision): readonly Operation[] {
  const missing = wanted.filter((name) => !pod.pullSecrets.includes(name)).map((name) => ({ name }));
  if (missing.length === 0) {
    return [];
  }
  return pod.hasPullSecrets
    ? missing.map((secret) => ({ op: 'add', path: '/spec/imagePullSecrets/-', value: secret }))
    : [{ op: 'add', path: '/spec/imagePullSecrets', value: missing }];
}

/** Sets the entries of a map that are not there or differ; `add` replaces what is there (RFC 6902 §4.1). */
function entries(
  path: string,
  exists: boolean,
  present: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): readonly Operation[] {
  const changed = [...wanted].filter(([key, value]) => present.get(key) !== value);
  if (changed.length === 0) {
    return [];
  }
  return exists
    ? changed.map(([key, value]) => ({ op: 'add', path: `${path}/${escapePointer(key)}`, value }))
    : [{ op: 'add', path, value: Object.fromEntries(changed) }];
}

/** RFC 6901 §3. */
function escapePointer(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}
