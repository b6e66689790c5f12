import { decide } from './decide.ts';
import type { RewriteIndex } from './index.ts';
import { readPod } from './pod.ts';

/** What a container of a new Pod will run. */
export interface ResolvedImage {
  readonly container: string;
  /** The artifact, `repository:tag@sha256:…`, or the reference of the template where it is not rewritten. */
  readonly image: string;
  /** `namespace/name` of the AcceleratedImage that the artifact comes from. */
  readonly acceleratedImage?: string;
}

/** What a new Pod of a template will run, and what it pulls that with. */
export interface ResolvedTemplate {
  readonly images: readonly ResolvedImage[];
  /** Secrets of its namespace. */
  readonly pullSecrets: readonly string[];
}

/**
 * What a new Pod of a workload's template will run: the init and main containers, after the same decision that admission
 * takes.
 * @param template a v1.PodTemplateSpec
 */
export function resolveTemplate(template: object, namespace: string, index: RewriteIndex, now: Date): ResolvedTemplate {
  const { rewrites, pullSecrets } = decide(template, namespace, index, now);
  const pod = readPod(template);
  const images = pod.containers.map(({ name, image }) => {
    const rewrite = rewrites.find(({ container }) => container.name === name);
    return rewrite === undefined
      ? { container: name, image }
      : { container: name, image: rewrite.image, acceleratedImage: rewrite.acceleratedImage };
  });
  return { images, pullSecrets: [...new Set([...pod.pullSecrets, ...pullSecrets])] };
}
