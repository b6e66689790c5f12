import { AcceleratedImageReason as Reason } from '../api/v1alpha1/conditions.ts';
import type { Config } from '../config.ts';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/errors.ts';
import { secrets, type Secret } from '../kube/resources.ts';
import type { Credentials } from '../registry/auth.ts';
import { RegistryError } from '../registry/errors.ts';
import { parseDockerSecret } from '../registry/secret.ts';
import type { Reference } from '../registry/reference.ts';
import { waiting } from './reconcile-error.ts';

const RETRY_MS = 60_000;

export interface CredentialsRequest {
  /** Namespace of the object that asks. */
  namespace: string;
  /** Secret of that namespace, if the object names one. */
  secretName?: string | undefined;
  /** What is to be read with them. */
  reference: Pick<Reference, 'registry' | 'repository'>;
}

export interface CredentialsOptions {
  client: KubeClient;
  config: Config;
  operatorNamespace: string;
}

/**
 * Credentials with which the operator itself reads a registry, in this order: what the admin configured for the host and
 * this namespace; the object's own Secret, if its namespace granted `get` on it; else anonymous (undefined).
 * @throws ReconcileError CredentialsForbidden (with the Role to apply), CredentialsMissing or CredentialsMalformed.
 */
export async function resolveCredentials(
  request: CredentialsRequest,
  { client, config, operatorNamespace }: CredentialsOptions,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  const admin = config.registries.find((registry) => registry.host === request.reference.registry);
  const granted = admin?.namespaces.includes('*') === true || admin?.namespaces.includes(request.namespace) === true;
  const source =
    admin?.credentialsSecret !== undefined && granted
      ? { namespace: operatorNamespace, name: admin.credentialsSecret }
      : request.secretName !== undefined
        ? { namespace: request.namespace, name: request.secretName }
        : undefined;
  if (source === undefined) {
    return undefined;
  }
  const { registry, repository } = request.reference;
  const label = `Secret ${source.namespace}/${source.name}`;
  const secret = await readSecret(client, source, signal);
  const store = explained(() => parseDockerSecret(secret, label));
  const credentials = store.lookup(registry, repository);
  const problem = credentials === undefined ? store.problem(registry, repository) : undefined;
  if (problem !== undefined) {
    throw waiting(Reason.CredentialsMalformed, `${label}: ${problem}`, RETRY_MS);
  }
  return credentials;
}

/** A Secret that is not usable is looked at again soon: somebody may be about to correct it. */
function explained<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof RegistryError ? waiting(Reason.CredentialsMalformed, error.message, RETRY_MS, error) : error;
  }
}

async function readSecret(
  client: KubeClient,
  ref: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<Secret> {
  const label = `Secret ${ref.namespace}/${ref.name}`;
  return await client.get(secrets, ref, signal).catch((error: unknown) => {
    if (error instanceof KubeError && error.code === 403) {
      throw waiting(Reason.CredentialsForbidden, forbiddenMessage(ref), RETRY_MS, error);
    }
    if (error instanceof KubeError && error.code === 404) {
      throw waiting(
        Reason.CredentialsMissing,
        `${label} does not exist; create it, or correct its name in the spec`,
        RETRY_MS,
        error,
      );
    }
    throw error;
  });
}

function forbiddenMessage({ namespace, name }: { namespace: string; name: string }): string {
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { namespace, name: `slipstream-read-${name}` },
    rules: [{ apiGroups: [''], resources: ['secrets'], resourceNames: [name], verbs: ['get'] }],
  };
  return (
    `the namespace ${namespace} has not granted Slipstream \`get\` on the Secret ${name}. ` +
    `Apply this Role and bind it to the operator's ServiceAccount, or list the Secret under secretGrants in the chart's values: ${JSON.stringify(role)}`
  );
}
