import { ReconcileError } from '../reconcile-error.ts';
import { isSignedWith, loadKeys } from './artifact-trust.ts';
import { CONTINUE } from './pass.ts';
import type { Dependencies, Pass, StepResult } from './pass.ts';
import { signAndRemember } from './signed-tags.ts';

/** Signs what is in use when the operator's keys are new, or others than before. It stays in use whatever becomes of that. */
export async function renewSignature(optionsHash: string, pass: Pass, deps: Dependencies): Promise<StepResult> {
  const { status, log, signal } = pass;
  const { artifact } = status;
  if (artifact === undefined) {
    return CONTINUE;
  }
  try {
    const keys = await loadKeys(pass, deps);
    if (keys === undefined || !isSignedWith(keys, artifact)) {
      await signAndRemember(artifact, [], optionsHash, pass, deps);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ReconcileError)) {
      throw error;
    }
    log.warn({ err: error, image: artifact.image }, 'an artifact that is in use could not be signed');
  }
  return CONTINUE;
}
