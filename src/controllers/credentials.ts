import { AcceleratedImageReason as Reason } from '../api/v1alpha1/conditions.ts';
import type { Config } from '../config.ts';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/errors.ts';
import { secrets } from '../kube/resources.ts';
import { parseDockerConfig } from '../registry/auth.ts';
import type { Credentials } from '../registry/auth.ts';
import type { Reference } from '../registry/reference.ts';
import { stalled, waiting } from './reconcile-error.ts';

const RETRY_MS = 60_000;
const DOCKER_CONFIG_KEY = '.dockerconfigjson';

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
 * @throws ReconcileError CredentialsForbidden (with the Role to apply) or CredentialsMissing.
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
  const text = await readDockerConfig(client, source, signal);
  return parseDockerConfig(text).lookup(request.reference.registry, request.reference.repository);
}

async function readDockerConfig(
  client: KubeClient,
  ref: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<string> {
  const label = `Secret ${ref.namespace}/${ref.name}`;
  const secret = await client.get(secrets, ref, signal).catch((error: unknown) => {
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
  const encoded = secret.data?.[DOCKER_CONFIG_KEY];
  if (encoded === undefined) {
    throw stalled(
      Reason.CredentialsMissing,
      `${label} has no key ${DOCKER_CONFIG_KEY}; it must be of type kubernetes.io/dockerconfigjson`,
    );
  }
  return Buffer.from(encoded, 'base64').toString('utf8');
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
