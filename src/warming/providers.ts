import type { Config, ProviderSettings } from '../config.ts';
import type { Clock } from '../dragonfly/clock.ts';
import { ManagerProvider } from '../dragonfly/manager.ts';
import { ProviderError } from '../dragonfly/provider.ts';
import type { Provider, Seed } from '../dragonfly/provider.ts';
import { SeedPeersProvider } from '../dragonfly/seedpeers.ts';
import type { KubeClient } from '../kube/client.ts';
import { endpointSlices } from '../kube/resources.ts';
import { readToken } from '../kube/token.ts';

const SERVICE_LABEL = 'kubernetes.io/service-name';

export interface ProviderDependencies {
  client: KubeClient;
  clock: Clock;
  operatorNamespace: string;
}

/** The providers of the operator's configuration, by name. */
export function createProviders(config: Config, deps: ProviderDependencies): Map<string, Provider> {
  return new Map(config.providers.map((settings) => [settings.name, createProvider(settings, deps)]));
}

function createProvider(
  settings: ProviderSettings,
  { client, clock, operatorNamespace }: ProviderDependencies,
): Provider {
  const seeds = (): Promise<Seed[]> => findSeeds(client, settings);
  switch (settings.type) {
    case 'seedPeers':
      return new SeedPeersProvider({ seeds, limits: settings, clock });
    case 'manager':
      return new ManagerProvider({
        url: settings.url,
        token: () =>
          readToken(
            client,
            { namespace: operatorNamespace, name: settings.tokenSecret },
            (message) => new ProviderError('Rejected', `${message} a personal access token with the scope job`),
          ),
        clusterIDs: settings.clusterIDs,
        scope: settings.scope,
        seeds,
        limits: settings,
        clock,
      });
  }
}

/** The configured endpoints, and every ready one of the Service. */
async function findSeeds(client: KubeClient, { endpoints, service }: ProviderSettings): Promise<Seed[]> {
  const fixed = endpoints.map((url) => ({ name: new URL(url).host, url }));
  if (service === undefined) {
    return fixed;
  }
  const { items } = await client.list(endpointSlices, {
    namespace: service.namespace,
    labelSelector: `${SERVICE_LABEL}=${service.name}`,
  });
  const found = items
    .flatMap((slice) => slice.endpoints ?? [])
    .filter((endpoint) => endpoint.conditions?.ready !== false)
    .flatMap(({ addresses, targetRef }) =>
      addresses.slice(0, 1).map((address) => ({
        name: targetRef?.name ?? address,
        url: `http://${address.includes(':') ? `[${address}]` : address}:${service.port}`,
      })),
    );
  return [...fixed, ...found];
}
