import type { Credentials } from '../../registry/auth.ts';
import type { Reference } from '../../registry/reference.ts';
import { resolveCredentials } from '../credentials.ts';
import type { PrefetchPolicyDependencies } from './pass.ts';

/** The credentials of the first Secret that has some for the registry, as kubelet looks for them. */
export async function findCredentials(
  { namespace, pullSecrets, reference }: { namespace: string; pullSecrets: readonly string[]; reference: Reference },
  deps: PrefetchPolicyDependencies,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  for (const secretName of pullSecrets.length === 0 ? [undefined] : pullSecrets) {
    const credentials = await resolveCredentials({ namespace, secretName, reference }, deps, signal);
    if (credentials !== undefined) {
      return credentials;
    }
  }
  return undefined;
}
