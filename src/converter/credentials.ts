import { readFile } from 'node:fs/promises';
import { parseDockerConfig, type CredentialStore } from '../registry/auth.ts';
import { ConvertError } from './errors.ts';

/**
 * Reads a docker config that a Job mounts; undefined without a path.
 * @throws ConvertError CredentialsMissing, which shows nothing of the text.
 */
export async function readCredentials(path: string | undefined): Promise<CredentialStore | undefined> {
  if (path === undefined) {
    return undefined;
  }
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConvertError('CredentialsMissing', `cannot read the docker config: ${why}`, { cause: error });
  }
  try {
    return parseDockerConfig(text);
  } catch (error) {
    // The parser's message shows nothing of the text.
    const why = error instanceof Error ? error.message : 'it is no docker config';
    throw new ConvertError('CredentialsMissing', `${path}: ${why}`, { cause: error });
  }
}
