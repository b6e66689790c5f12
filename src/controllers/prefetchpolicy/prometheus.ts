import type { Config } from '../../config.ts';
import type { KubeClient } from '../../kube/client.ts';
import { readToken } from '../../kube/token.ts';
import { PrometheusError } from '../../prometheus/client.ts';
import type { Prometheus } from '../../prometheus/client.ts';

/** The Prometheus of the operator's configuration, if it names one. */
export function createPrometheus(
  { prometheus }: Config,
  { client, operatorNamespace }: { client: KubeClient; operatorNamespace: string },
): Prometheus | undefined {
  if (prometheus === undefined) {
    return undefined;
  }
  const { url, ca, tokenSecret } = prometheus;
  if (tokenSecret === undefined) {
    return { url, ca };
  }
  const secret = { namespace: operatorNamespace, name: tokenSecret };
  const missing = (message: string): Error => new PrometheusError('Rejected', `${message} a bearer token`);
  return { url, ca, token: () => readToken(client, secret, missing) };
}
