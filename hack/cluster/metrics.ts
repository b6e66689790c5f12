import { readFile } from 'node:fs/promises';
import type { ApiClient } from './api.ts';
import { ADDRESSES } from './layout.ts';
import type { Pki } from './pki.ts';

/** Port of metrics-server on the control plane's address. */
export const METRICS_PORT = 4443;

const USER = { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'system:metrics-server' };
const NAMESPACE = '/namespaces/kube-system';
const METADATA = { name: 'metrics-server', namespace: 'kube-system', labels: { 'k8s-app': 'metrics-server' } };

function clusterRoleBinding(name: string, role: string): object {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [USER],
  };
}

/** Registers metrics-server, which runs beside the API server, as metrics.k8s.io, with the rights that it needs. */
export async function registerMetrics(api: ApiClient, pki: Pki): Promise<void> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  await api.create(`${rbac}/clusterroles`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'system:metrics-server' },
    rules: [
      { apiGroups: [''], resources: ['nodes/metrics'], verbs: ['get'] },
      { apiGroups: [''], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] },
    ],
  });
  await api.create(`${rbac}/clusterroles`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: {
      name: 'system:aggregated-metrics-reader',
      labels: {
        'rbac.authorization.k8s.io/aggregate-to-view': 'true',
        'rbac.authorization.k8s.io/aggregate-to-edit': 'true',
        'rbac.authorization.k8s.io/aggregate-to-admin': 'true',
      },
    },
    rules: [{ apiGroups: ['metrics.k8s.io'], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] }],
  });
  await api.create(`${rbac}/clusterrolebindings`, clusterRoleBinding('system:metrics-server', 'system:metrics-server'));
  await api.create(
    `${rbac}/clusterrolebindings`,
    clusterRoleBinding('metrics-server:system:auth-delegator', 'system:auth-delegator'),
  );
  await api.create(`${rbac}${NAMESPACE}/rolebindings`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'metrics-server-auth-reader', namespace: 'kube-system' },
    roleRef: {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'Role',
      name: 'extension-apiserver-authentication-reader',
    },
    subjects: [USER],
  });
  await api.create(`/api/v1${NAMESPACE}/services`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: METADATA,
    spec: { ports: [{ name: 'https', port: 443, targetPort: METRICS_PORT, protocol: 'TCP' }] },
  });
  await api.create(`/apis/discovery.k8s.io/v1${NAMESPACE}/endpointslices`, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...METADATA, labels: { ...METADATA.labels, 'kubernetes.io/service-name': 'metrics-server' } },
    addressType: 'IPv4',
    ports: [{ name: 'https', port: METRICS_PORT, protocol: 'TCP' }],
    endpoints: [{ addresses: [ADDRESSES.controlPlane], conditions: { ready: true } }],
  });
  await api.create('/apis/apiregistration.k8s.io/v1/apiservices', {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: 'v1beta1.metrics.k8s.io' },
    spec: {
      group: 'metrics.k8s.io',
      version: 'v1beta1',
      groupPriorityMinimum: 100,
      versionPriority: 100,
      service: { name: 'metrics-server', namespace: 'kube-system' },
      caBundle: (await readFile(pki.ca.cert)).toString('base64'),
    },
  });
}
