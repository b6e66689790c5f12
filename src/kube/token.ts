import type { KubeClient } from './client.ts';
import { secrets } from './resources.ts';

/**
 * The token under the key `token` of a Secret.
 * @param missing makes the error for a Secret that has none, of a message that ends where it says what the key must hold
 * @throws what the client throws, or that error
 */
export async function readToken(
  client: KubeClient,
  ref: { namespace: string; name: string },
  missing: (message: string) => Error,
): Promise<string> {
  const secret = await client.get(secrets, ref);
  const token = secret.data?.['token'];
  if (token === undefined) {
    throw missing(`Secret ${ref.namespace}/${ref.name} has no key token; it must hold`);
  }
  return Buffer.from(token, 'base64').toString('utf8').trim();
}
