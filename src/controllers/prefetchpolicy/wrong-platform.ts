import { PrefetchPolicyReason as Reason } from '../../api/v1alpha1/conditions.ts';
import { RegistryError } from '../../registry/errors.ts';
import { parseReference } from '../../registry/reference.ts';
import type { ImageConfig } from '../../registry/schema.ts';
import { nodePlatforms } from '../../rewriting/platforms.ts';
import type { PlannedImage } from '../../warming/plan.ts';
import { type ReconcileError, waiting } from '../reconcile-error.ts';
import type { Pass, PrefetchPolicyDependencies } from './pass.ts';
import { findCredentials } from './pull-credentials.ts';

const RETRY_MS = 60_000;

/**
 * Says that an image is of no platform of the nodes, which its own config tells: an index may name another, and a manifest
 * without an index names none.
 * @param platforms of the nodes, as `os/architecture`
 */
export function platformProblem(
  image: string,
  { os, architecture }: Pick<ImageConfig, 'os' | 'architecture'>,
  platforms: readonly string[],
): ReconcileError | undefined {
  const platform = `${os}/${architecture}`;
  return platforms.length === 0 || platforms.includes(platform)
    ? undefined
    : waiting(
        Reason.WrongPlatform,
        `${image} is of ${platform}, and the nodes are ${platforms.join(', ')}: push the image for them, or correct its index`,
        RETRY_MS,
      );
}

/**
 * Reads the configs of the images that are about to be warmed: they know their platforms.
 * @throws ReconcileError WrongPlatform
 */
export async function assertPlatforms(
  { policy, target, signal }: Pass,
  planned: readonly PlannedImage[],
  deps: PrefetchPolicyDependencies,
): Promise<void> {
  const { namespace } = policy.metadata;
  const { pullSecrets } = await target();
  const platforms = nodePlatforms(deps.nodes.list());
  await Promise.all(
    planned.map(async ({ image, warm }) => {
      const reference = parseReference(image);
      const credentials = await findCredentials({ namespace, pullSecrets, reference }, deps, signal);
      // The first blob of every plan is the config.
      const [config] = warm.blobs;
      if (config === undefined) {
        return;
      }
      const said = await deps.registry
        .imageConfig(reference, config, { credentials, signal })
        .catch((error: unknown) => {
          if (error instanceof RegistryError) {
            // Not every artifact has one that says something; what keeps blobs from being read, the warm will tell.
            return undefined;
          }
          throw error;
        });
      const problem = said && platformProblem(image, said, platforms);
      if (problem !== undefined) {
        throw problem;
      }
    }),
  );
}
