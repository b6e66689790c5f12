import { parseDockerConfig, type CredentialStore } from './auth.ts';
import { RegistryError } from './errors.ts';

const KEY = '.dockerconfigjson';
const LEGACY_TYPE = 'kubernetes.io/dockercfg';

/** The parts of a core/v1 Secret that matter. */
export interface DockerSecret {
  type?: string | undefined;
  /** Base64 by key. */
  data?: Readonly<Record<string, string>> | undefined;
}

/**
 * Reads the docker config of a Secret of type kubernetes.io/dockerconfigjson.
 * @param label of the Secret, for messages.
 * @throws RegistryError of kind Invalid. Its message shows nothing of the contents.
 */
export function parseDockerSecret({ type, data }: DockerSecret, label: string): CredentialStore {
  const encoded = data?.[KEY];
  if (encoded === undefined) {
    const why = type === LEGACY_TYPE ? `is of the old type ${LEGACY_TYPE}, which is not read` : `has no key ${KEY}`;
    throw new RegistryError('Invalid', `${label} ${why}; it must be of type kubernetes.io/dockerconfigjson`);
  }
  try {
    return parseDockerConfig(Buffer.from(encoded, 'base64').toString('utf8'));
  } catch (error) {
    // The parser's message shows nothing of the text.
    const why = error instanceof Error ? error.message : 'it is no docker config';
    throw new RegistryError('Invalid', `${label}: ${why}`, { cause: error });
  }
}
