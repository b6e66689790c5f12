import type { AcceleratedImage, AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { Config } from '../../config.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Job, Node, Pod } from '../../kube/resources.ts';
import type { RegistryClient } from '../../registry/client.ts';
import { InvalidReferenceError, parseReference } from '../../registry/reference.ts';
import type { Reference } from '../../registry/reference.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { ReadStore } from '../../runtime/store.ts';
import { resolveCredentials } from '../credentials.ts';
import { stalled } from '../reconcile-error.ts';
import type { SigningKeySource } from '../signing-keys.ts';
import type { Logger } from 'pino';
import { targetReference } from './identity.ts';
import type { StartedJobs } from './started-jobs.ts';
import type { RunningImages } from './running-images.ts';

export interface Dependencies {
  client: KubeClient;
  registry: RegistryClient;
  config: Config;
  operatorNamespace: string;
  clock: Clock;
  images: ReadStore<AcceleratedImage>;
  jobs: ReadStore<Job>;
  /** Pods of our Jobs only. */
  pods: ReadStore<Pod>;
  nodes: ReadStore<Node>;
  /** Jobs of ours that `jobs` may lack. */
  started: StartedJobs;
  running: RunningImages;
  signingKeys: SigningKeySource;
}

/** One pass over one object: what is known of it so far, and the status being drafted. */
export interface Pass {
  image: AcceleratedImage;
  status: AcceleratedImageStatus;
  source: Reference;
  target: Reference;
  /** The image that serves as chunk dictionary, if one is named. */
  dictionary: Reference | undefined;
  log: Logger;
  signal: AbortSignal;
}

export type StepResult = { next: 'continue' } | { next: 'wait'; afterMs: number; reason: Reason; message: string };

export const CONTINUE: StepResult = { next: 'continue' };

/**
 * Drafts a pass from an object.
 * @throws ReconcileError InvalidSpec for references that are none.
 */
export function startPass(image: AcceleratedImage, log: Logger, signal: AbortSignal): Pass {
  const dictionary = image.spec.conversion.chunkDictionary?.image;
  try {
    return {
      image,
      status: structuredClone(image.status ?? {}),
      source: parseReference(image.spec.source.image),
      target: targetReference(image.spec),
      dictionary: dictionary === undefined ? undefined : parseReference(dictionary),
      log,
      signal,
    };
  } catch (error) {
    if (error instanceof InvalidReferenceError) {
      throw stalled(Reason.InvalidSpec, error.message, error);
    }
    throw error;
  }
}

export async function targetCredentials(pass: Pass, deps: Dependencies): ReturnType<typeof resolveCredentials> {
  const { source, target } = pass.image.spec;
  return await credentialsFor(pass, deps, pass.target, target.pushSecretRef?.name ?? source.pullSecretRef?.name);
}

export async function credentialsFor(
  { image, signal }: Pass,
  deps: Dependencies,
  reference: Reference,
  secretName: string | undefined,
): ReturnType<typeof resolveCredentials> {
  return await resolveCredentials({ namespace: image.metadata.namespace, secretName, reference }, deps, signal);
}
