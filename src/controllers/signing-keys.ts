import { AcceleratedImageReason as Reason } from '../api/v1alpha1/conditions.ts';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/errors.ts';
import { secrets, type Secret } from '../kube/resources.ts';
import type { Clock } from '../runtime/clock.ts';
import { KeyError } from '../trust/errors.ts';
import { checkBootstrapKey, checkCosignKey, readPrivateKey, type SigningKey } from '../trust/privatekey.ts';
import { waiting } from './reconcile-error.ts';

const COSIGN_KEY = 'cosign.key';
const COSIGN_PASSWORD = 'cosign.password';
const BOOTSTRAP_KEY = 'bootstrap.key';
const BOOTSTRAP_PASSWORD = 'bootstrap.password';
/** How long a changed Secret may go unnoticed. */
const FRESH_MS = 60_000;
const RETRY_MS = 60_000;

/** The operator's keys. */
export interface SigningKeys {
  /** Signs artifacts. */
  artifact: SigningKey;
  /** Signs bootstraps for nydus-snapshotter, where there is one. */
  bootstrap: SigningKey | undefined;
}

/** Where the keys come from. */
export interface SigningKeySource {
  /**
   * The keys as they were within the last minute; undefined where artifacts are not signed.
   * @throws ReconcileError SigningKeyUnusable, which holds nothing of them.
   */
  load(signal: AbortSignal): Promise<SigningKeys | undefined>;
}

/** Reads the keys from a Secret of the operator's own namespace, and again when it may have changed. */
export function createSigningKeys({
  client,
  namespace,
  secret: name,
  clock,
}: {
  client: KubeClient;
  namespace: string;
  secret: string | undefined;
  clock: Clock;
}): SigningKeySource {
  let known: { version: string | undefined; readAt: number; keys: Promise<SigningKeys> } | undefined;
  return {
    async load(signal) {
      if (name === undefined) {
        return undefined;
      }
      const now = clock.now().getTime();
      if (known === undefined || now - known.readAt >= FRESH_MS) {
        const secret = await readSecret(client, namespace, name, signal);
        const version = secret.metadata.resourceVersion;
        // To decrypt a key takes a tenth of a second of work on purpose.
        const unchanged = known !== undefined && version !== undefined && known.version === version;
        known = { version, readAt: now, keys: unchanged && known !== undefined ? known.keys : parse(secret) };
      }
      return await known.keys.catch((error: unknown) => {
        known = undefined;
        throw error instanceof KeyError ? unusable(`Secret ${namespace}/${name}: ${error.message}`, error) : error;
      });
    },
  };
}

async function readSecret(client: KubeClient, namespace: string, name: string, signal: AbortSignal): Promise<Secret> {
  return await client.get(secrets, { namespace, name }, signal).catch((error: unknown) => {
    if (error instanceof KubeError && (error.code === 403 || error.code === 404)) {
      const why = error.code === 404 ? 'does not exist' : 'may not be read by the operator';
      throw unusable(
        `Secret ${namespace}/${name}, which trust.signing names, ${why}. Make it with cosign generate-key-pair k8s://${namespace}/${name}`,
        error,
      );
    }
    throw error;
  });
}

async function parse({ data = {} }: Secret): Promise<SigningKeys> {
  const text = (key: string): string | undefined =>
    data[key] === undefined ? undefined : Buffer.from(data[key], 'base64').toString('utf8');
  const pem = text(COSIGN_KEY);
  if (pem === undefined) {
    throw new KeyError(`it has no key ${COSIGN_KEY}`);
  }
  const artifact = await readPrivateKey(pem, text(COSIGN_PASSWORD) ?? '', COSIGN_KEY);
  checkCosignKey(artifact, COSIGN_KEY);
  const bootstrapPem = text(BOOTSTRAP_KEY);
  if (bootstrapPem === undefined) {
    return { artifact, bootstrap: undefined };
  }
  const bootstrap = await readPrivateKey(bootstrapPem, text(BOOTSTRAP_PASSWORD) ?? '', BOOTSTRAP_KEY);
  checkBootstrapKey(bootstrap, BOOTSTRAP_KEY);
  return { artifact, bootstrap };
}

function unusable(message: string, cause: unknown): Error {
  return waiting(Reason.SigningKeyUnusable, `artifacts cannot be signed: ${message}`, RETRY_MS, cause);
}
