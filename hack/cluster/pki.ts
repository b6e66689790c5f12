import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAuthority, createSigningKeys, type KeyPair } from './certificates.ts';
import { ADDRESSES, API_SERVER, type Layout, type NodePlan } from './layout.ts';

/** Every credential of a cluster. */
export interface Pki {
  ca: KeyPair;
  frontProxyCa: KeyPair;
  frontProxy: KeyPair;
  serviceAccounts: KeyPair;
  apiServer: KeyPair;
  kubeletClient: KeyPair;
  admin: KeyPair;
  controllerManager: KeyPair;
  scheduler: KeyPair;
  metricsServer: KeyPair;
  metricsClient: KeyPair;
  registry: KeyPair;
  nodes: Map<string, { serving: KeyPair; kubelet: KeyPair; proxy: KeyPair }>;
}

const API_SERVER_NAMES = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  'localhost',
];

/** Makes all certificates, by the names and groups that Kubernetes' default roles know. */
export async function createPki(layout: Layout, nodes: NodePlan[]): Promise<Pki> {
  const folder = layout.pki;
  const ca = await createAuthority(folder, 'ca');
  const frontProxyCa = await createAuthority(folder, 'front-proxy-ca');
  const addresses = [ADDRESSES.controlPlane, ADDRESSES.kubernetesService, '127.0.0.1'];
  const pki: Pki = {
    ca,
    frontProxyCa,
    frontProxy: await frontProxyCa.issue('front-proxy-client', { name: 'front-proxy-client' }),
    serviceAccounts: await createSigningKeys(folder, 'service-accounts'),
    apiServer: await ca.issue('apiserver', { name: 'kube-apiserver', hosts: [...API_SERVER_NAMES, ...addresses] }),
    kubeletClient: await ca.issue('apiserver-kubelet-client', {
      name: 'kube-apiserver-kubelet-client',
      groups: ['system:masters'],
    }),
    admin: await ca.issue('admin', { name: 'admin', groups: ['system:masters'] }),
    controllerManager: await ca.issue('controller-manager', { name: 'system:kube-controller-manager' }),
    scheduler: await ca.issue('scheduler', { name: 'system:kube-scheduler' }),
    metricsServer: await ca.issue('metrics-server', {
      name: 'metrics-server',
      hosts: ['metrics-server.kube-system.svc', ADDRESSES.controlPlane],
    }),
    metricsClient: await ca.issue('metrics-server-client', { name: 'system:metrics-server' }),
    registry: await ca.issue('registry', { name: 'registry', hosts: [ADDRESSES.registry] }),
    nodes: new Map(),
  };
  for (const { name, address } of nodes) {
    pki.nodes.set(name, {
      serving: await ca.issue(`${name}-serving`, { name: `system:node:${name}`, hosts: [name, address] }),
      kubelet: await ca.issue(`${name}-kubelet`, { name: `system:node:${name}`, groups: ['system:nodes'] }),
      proxy: await ca.issue(`${name}-kube-proxy`, { name: 'system:kube-proxy' }),
    });
  }
  return pki;
}

/** Writes a kubeconfig with everything in it, so that it can be copied, and returns its path. */
export async function writeKubeconfig(path: string, ca: KeyPair, user: KeyPair): Promise<string> {
  const [authority, cert, key] = await Promise.all(
    [ca.cert, user.cert, user.key].map(async (file) => (await readFile(file)).toString('base64')),
  );
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'slipstream', cluster: { server: API_SERVER, 'certificate-authority-data': authority } }],
    users: [{ name: 'user', user: { 'client-certificate-data': cert, 'client-key-data': key } }],
    contexts: [{ name: 'slipstream', context: { cluster: 'slipstream', user: 'user' } }],
    'current-context': 'slipstream',
  };
  await writeFile(path, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  return path;
}

/** Writes the kubeconfig of a component beside its certificate. */
export async function componentKubeconfig(pki: Pki, user: KeyPair): Promise<string> {
  return writeKubeconfig(join(user.cert.replace(/\.crt$/, '.kubeconfig')), pki.ca, user);
}
