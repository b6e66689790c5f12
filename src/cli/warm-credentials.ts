import { readFile } from 'node:fs/promises';
import type { Config } from '../config.ts';
import type { KubeClient } from '../kube/client.ts';
import { secrets } from '../kube/resources.ts';
import { parseDockerConfig } from '../registry/auth.ts';
import type { Credentials } from '../registry/auth.ts';
import { parseDockerSecret } from '../registry/secret.ts';
import type { Reference } from '../registry/reference.ts';

export interface CredentialSources {
  /** The user's Docker configuration file; it need not exist. */
  readonly dockerConfig: string;
  readonly registries: Config['registries'];
  readonly operatorNamespace: string;
  readonly client: () => KubeClient;
  readonly signal: AbortSignal;
}

/**
 * Credentials for a registry: those of the user's Docker configuration, else those that the operator's configuration names
 * for the host, as far as the user may read that Secret; else none.
 * @throws Error naming the file or the Secret that cannot be used; it shows nothing of its contents
 */
export async function findCredentials(
  { registry, repository }: Pick<Reference, 'registry' | 'repository'>,
  { dockerConfig, registries, operatorNamespace, client, signal }: CredentialSources,
): Promise<Credentials | undefined> {
  const own = await findOwnCredentials({ registry, repository }, dockerConfig, signal);
  const name = registries.find(({ host }) => host === registry)?.credentialsSecret;
  if (own !== undefined || name === undefined) {
    return own;
  }
  const secret = await client().get(secrets, { namespace: operatorNamespace, name }, signal);
  return parseDockerSecret(secret, `Secret ${operatorNamespace}/${name}`).lookup(registry, repository);
}

/**
 * Credentials of the user's Docker configuration for a registry.
 * @param dockerConfig path of the file; it need not exist
 * @throws Error naming the file that cannot be used; it shows nothing of its contents
 */
export async function findOwnCredentials(
  { registry, repository }: Pick<Reference, 'registry' | 'repository'>,
  dockerConfig: string,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  const text = await readIfThere(dockerConfig, signal);
  return text === undefined ? undefined : lookup(text, dockerConfig, registry, repository);
}

function lookup(text: string, from: string, registry: string, repository: string): Credentials | undefined {
  try {
    return parseDockerConfig(text).lookup(registry, repository);
  } catch (error) {
    // The parser's message shows nothing of the text.
    throw new Error(`${from}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

async function readIfThere(path: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await readFile(path, { encoding: 'utf8', signal });
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return undefined;
    }
    throw new Error(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
