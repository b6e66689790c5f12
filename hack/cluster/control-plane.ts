import { connect } from 'node:net';
import { get } from 'node:http';
import { join } from 'node:path';
import { toolPath } from '../tools/locate.ts';
import type { ApiClient } from './api.ts';
import { ADDRESSES, logOf, type Layout } from './layout.ts';
import { METRICS_PORT } from './metrics.ts';
import { startPart, type Part } from './part.ts';
import { componentKubeconfig, type Pki } from './pki.ts';

const ETCD = 'http://127.0.0.1:2379';

/** Whether something takes connections at `host:port`. */
export function listens(address: string): Promise<boolean> {
  const [host = '', port] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), timeout: 1_000 });
    const settle = (listening: boolean): void => {
      socket.destroy();
      resolve(listening);
    };
    socket.once('connect', () => settle(true));
    socket.once('timeout', () => settle(false));
    socket.once('error', () => settle(false));
  });
}

/** Whether a plain HTTP address answers with 200. */
export function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const req = get(url, { timeout: 1_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    req.once('timeout', () => req.destroy(new Error('timeout')));
    req.once('error', () => resolve(false));
  });
}

/** Starts etcd. Nothing is synced to disk: the data lives as long as the cluster. */
export async function startEtcd(layout: Layout): Promise<Part> {
  const peer = 'http://127.0.0.1:2380';
  const command = [
    toolPath('etcd'),
    `--data-dir=${join(layout.state, 'etcd')}`,
    `--listen-client-urls=${ETCD}`,
    `--advertise-client-urls=${ETCD}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
  return startPart({ name: 'etcd', command, log: logOf(layout, 'etcd'), ready: () => answers(`${ETCD}/readyz`) });
}

/** Starts the API server: Node and RBAC authorization, default admission, webhooks and metrics by endpoint. */
export async function startApiServer(layout: Layout, pki: Pki, api: ApiClient): Promise<Part> {
  const command = [
    toolPath('kube-apiserver'),
    `--etcd-servers=${ETCD}`,
    '--secure-port=6443',
    `--advertise-address=${ADDRESSES.controlPlane}`,
    `--tls-cert-file=${pki.apiServer.cert}`,
    `--tls-private-key-file=${pki.apiServer.key}`,
    `--client-ca-file=${pki.ca.cert}`,
    `--kubelet-certificate-authority=${pki.ca.cert}`,
    `--kubelet-client-certificate=${pki.kubeletClient.cert}`,
    `--kubelet-client-key=${pki.kubeletClient.key}`,
    // Nodes have no DNS names: logs and exec go to their addresses.
    '--kubelet-preferred-address-types=InternalIP',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${pki.serviceAccounts.cert}`,
    `--service-account-signing-key-file=${pki.serviceAccounts.key}`,
    `--service-cluster-ip-range=${ADDRESSES.services}`,
    // No kube-proxy runs here: webhooks and aggregated APIs are reached by endpoint.
    '--enable-aggregator-routing=true',
    `--requestheader-client-ca-file=${pki.frontProxyCa.cert}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-username-headers=X-Remote-User',
    `--proxy-client-cert-file=${pki.frontProxy.cert}`,
    `--proxy-client-key-file=${pki.frontProxy.key}`,
    // It goes with the whole cluster; there is no load balancer to wait for.
    '--shutdown-delay-duration=0s',
  ];
  return startPart({
    name: 'kube-apiserver',
    command,
    log: logOf(layout, 'kube-apiserver'),
    ready: async () => (await api.call('GET', '/readyz')).status === 200,
  });
}

/** Starts the controller manager with all its default controllers. */
export async function startControllerManager(layout: Layout, pki: Pki, hpaSyncSeconds: number): Promise<Part> {
  const kubeconfig = await componentKubeconfig(pki, pki.controllerManager);
  const command = [
    toolPath('kube-controller-manager'),
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--bind-address=127.0.0.1',
    '--leader-elect=false',
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${pki.serviceAccounts.key}`,
    `--root-ca-file=${pki.ca.cert}`,
    `--cluster-signing-cert-file=${pki.ca.cert}`,
    `--cluster-signing-key-file=${pki.ca.key}`,
    `--horizontal-pod-autoscaler-sync-period=${hpaSyncSeconds}s`,
  ];
  return startPart({ name: 'kube-controller-manager', command, log: logOf(layout, 'kube-controller-manager') });
}

/** Starts the scheduler. */
export async function startScheduler(layout: Layout, pki: Pki): Promise<Part> {
  const kubeconfig = await componentKubeconfig(pki, pki.scheduler);
  const command = [
    toolPath('kube-scheduler'),
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--bind-address=127.0.0.1',
    '--leader-elect=false',
  ];
  return startPart({ name: 'kube-scheduler', command, log: logOf(layout, 'kube-scheduler') });
}

/** Starts metrics-server. It serves once it has two samples of a node: half a minute after the node is ready. */
export async function startMetricsServer(layout: Layout, pki: Pki): Promise<Part> {
  const kubeconfig = await componentKubeconfig(pki, pki.metricsClient);
  const command = [
    toolPath('metrics-server'),
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    `--bind-address=${ADDRESSES.controlPlane}`,
    `--secure-port=${METRICS_PORT}`,
    `--tls-cert-file=${pki.metricsServer.cert}`,
    `--tls-private-key-file=${pki.metricsServer.key}`,
    `--kubelet-certificate-authority=${pki.ca.cert}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--metric-resolution=10s',
    '--kubelet-request-timeout=5s',
  ];
  return startPart({ name: 'metrics-server', command, log: logOf(layout, 'metrics-server') });
}
