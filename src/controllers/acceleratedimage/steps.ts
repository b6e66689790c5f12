import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import { CONVERSION_LABEL } from '../../api/v1alpha1/labels.ts';
import { identify } from './identity.ts';
import { jobState } from './job-state.ts';
import type { Dependencies, Pass, StepResult } from './pass.ts';
import { resolveSource } from './resolve-source.ts';
import { adopt } from './adoption.ts';
import { renewSignature } from './renew-signature.ts';
import { verifySource } from './source-trust.ts';
import { checkPresence, acceptResult } from './artifact.ts';
import { startJob, followProgress, giveUpOrRetry, QUEUE_INTERVAL_MS } from './conversion-job.ts';

/** The steps of a pass, in order; the first that waits or throws ends it. */
export const STEPS: readonly ((pass: Pass, deps: Dependencies) => Promise<StepResult>)[] = [
  resolveSource,
  verifySource,
  reconcileArtifact,
];

/** Brings the artifact into being: adopt what is verified, else queue, run the Job, read its result, verify. */
async function reconcileArtifact(pass: Pass, deps: Dependencies): Promise<StepResult> {
  const { status, image } = pass;
  const source = status.source;
  if (source?.platforms === undefined) {
    return {
      next: 'wait',
      afterMs: QUEUE_INTERVAL_MS,
      reason: Reason.Resolving,
      message: `${image.spec.source.image} is being resolved`,
    };
  }
  if (image.spec.conversion.mode === 'Adopt') {
    return await adopt(pass, deps);
  }
  const identity = identify(
    source.digest,
    {
      format: image.spec.conversion.format,
      compressor: image.spec.conversion.compressor,
      chunkDictionary: image.spec.conversion.chunkDictionary,
      prefetchPaths: image.spec.conversion.prefetchPaths ?? [],
      platforms: source.platforms.map((p) => p.platform),
    },
    pass.target,
  );
  if (
    status.conversion?.hash === identity.hash &&
    status.conversion.phase === 'Succeeded' &&
    status.artifact !== undefined
  ) {
    const presence = await checkPresence(pass, deps);
    return presence.next === 'wait' ? presence : await renewSignature(identity.optionsHash, pass, deps);
  }
  if (status.conversion?.hash !== identity.hash) {
    status.conversion = { hash: identity.hash, phase: 'Queued' };
  }
  const job = deps.jobs.get(`${image.metadata.namespace}/${identity.jobName}`);
  if (job === undefined) {
    return await startJob(pass, deps, identity);
  }
  const conversion = job.metadata?.labels?.[CONVERSION_LABEL];
  const ownPods = deps.pods
    .listNamespace(image.metadata.namespace)
    .filter((pod) => pod.metadata?.labels?.[CONVERSION_LABEL] === conversion);
  const state = jobState(job, ownPods);
  switch (state.phase) {
    case 'Running':
      return await followProgress(pass, deps, identity, state.pod);
    case 'Failed':
      return await giveUpOrRetry(pass, deps, identity, state);
    case 'Succeeded':
      return await acceptResult(pass, deps, identity, state);
  }
}
