import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { loopbackCertificate } from '../support/loopback-certificate.ts';

/** The three APIs that a HorizontalPodAutoscaler reads its metrics from, as one server with values that tests set. */
export interface MetricsApi extends AsyncDisposable {
  readonly port: number;
  /** Values of external metrics, by name; one that is not there is not found. */
  readonly external: Map<string, string>;
  /** Values of metrics of Pods, by `metric/app`, each by the name of a Pod. */
  readonly pods: Map<string, Readonly<Record<string, string>>>;
  /** CPU of Pods, by app, each by the name of a Pod. */
  readonly cpu: Map<string, Readonly<Record<string, string>>>;
  /** How often each external metric was asked for. */
  readonly asked: Map<string, number>;
}

/** API groups that are served, with the version that the autoscaler's clients speak. */
export const METRICS_GROUPS = [
  { group: 'metrics.k8s.io', version: 'v1beta1' },
  { group: 'custom.metrics.k8s.io', version: 'v1beta2' },
  { group: 'external.metrics.k8s.io', version: 'v1beta1' },
] as const;

/** Serves metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io over HTTPS on localhost. */
export async function startMetricsApi(): Promise<MetricsApi> {
  const external = new Map<string, string>();
  const pods = new Map<string, Readonly<Record<string, string>>>();
  const cpu = new Map<string, Readonly<Record<string, string>>>();
  const asked = new Map<string, number>();
  const server = createServer(loopbackCertificate, (request, response) => {
    const url = new URL(request.url ?? '', 'https://localhost');
    const name = url.pathname.split('/').at(-1) ?? '';
    asked.set(name, (asked.get(name) ?? 0) + 1);
    const body = answer(url, external, pods, cpu);
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404 }));
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    external,
    pods,
    cpu,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function answer(
  { pathname, searchParams }: URL,
  external: ReadonlyMap<string, string>,
  pods: ReadonlyMap<string, Readonly<Record<string, string>>>,
  cpu: ReadonlyMap<string, Readonly<Record<string, string>>>,
): object | undefined {
  const [, , group = '', version = '', , namespace = '', ...rest] = pathname.split('/');
  const apiVersion = `${group}/${version}`;
  if (namespace === '') {
    return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersion, resources: [] };
  }
  const timestamp = new Date().toISOString();
  const app = /app=([^,]+)/.exec(searchParams.get('labelSelector') ?? '')?.[1] ?? '';
  if (group === 'external.metrics.k8s.io') {
    const value = external.get(rest[0] ?? '');
    const items = [{ metricName: rest[0], metricLabels: {}, timestamp, value }];
    return value === undefined ? undefined : { kind: 'ExternalMetricValueList', apiVersion, metadata: {}, items };
  }
  if (group === 'custom.metrics.k8s.io') {
    const metric = { name: rest[2] };
    const items = Object.entries(pods.get(`${rest[2]}/${app}`) ?? {}).map(([name, value]) => ({
      describedObject: { kind: 'Pod', namespace, name, apiVersion: '/v1' },
      metric,
      timestamp,
      value,
    }));
    return { kind: 'MetricValueList', apiVersion, metadata: {}, items };
  }
  const items = Object.entries(cpu.get(app) ?? {}).map(([name, usage]) => ({
    metadata: { name, namespace, labels: { app } },
    timestamp,
    window: '10s',
    containers: [{ name: 'app', usage: { cpu: usage } }],
  }));
  return { kind: 'PodMetricsList', apiVersion, metadata: {}, items };
}
