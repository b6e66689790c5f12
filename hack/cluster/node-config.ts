import { ADDRESSES, PAUSE_IMAGE, REGISTRY, TLS_REGISTRY, type NodePlan } from './layout.ts';
import type { Pki } from './pki.ts';

/** Paths on a node, the usual ones: its /run and /var/lib are its own. */
export const NODE_PATHS = {
  containerd: '/run/containerd/containerd.sock',
  snapshotter: '/run/containerd-nydus/containerd-nydus-grpc.sock',
  nydus: '/var/lib/containerd-nydus',
  netns: '/run/netns',
} as const;

/** How nydusd is pointed at a Dragonfly peer. */
export interface NydusProxy {
  url: string;
  pingUrl: string;
}

/** The Dragonfly peer of a node, as the node itself sees it. */
export const LOCAL_PEER: NydusProxy = { url: 'http://127.0.0.1:4001', pingUrl: 'http://127.0.0.1:4003/healthy' };

/** containerd's configuration, with a runtime handler `nydus` beside runc. `folder` holds the node's other files. */
export function containerdConfig(folder: string): string {
  return `version = 3
root = '/var/lib/containerd'
state = '/run/containerd'
oom_score = 0
# Not of use here; the scanners log at every start.
disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.snapshotter.v1.blockfile', 'io.containerd.snapshotter.v1.btrfs', 'io.containerd.snapshotter.v1.devmapper', 'io.containerd.snapshotter.v1.erofs', 'io.containerd.snapshotter.v1.zfs']
[grpc]
  address = '${NODE_PATHS.containerd}'
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  # The Nydus snapshotter learns from annotations which layers it is given.
  disable_snapshot_annotations = false
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '${PAUSE_IMAGE}'
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = '${folder}/certs.d'
[plugins.'io.containerd.cri.v1.runtime']
  # Machines that withhold CAP_SYS_RESOURCE cannot lower an oom_score_adj.
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/usr/lib/cni']
    conf_dir = '${folder}/cni'
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = 'runc'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.nydus]
      runtime_type = 'io.containerd.runc.v2'
      snapshotter = 'nydus'
[proxy_plugins]
  [proxy_plugins.nydus]
    type = 'snapshot'
    address = '${NODE_PATHS.snapshotter}'
`;
}

/**
 * containerd's hosts.toml for the cluster's registry by the name of its host: through the node's Dragonfly peer where it has one,
 * which also has the registry over HTTPS, and from the registry itself where that does not answer.
 */
export function registryHosts(pki: Pki, hasPeer: boolean): Record<string, string> {
  const own = `[host.'http://${REGISTRY}']
  capabilities = ['pull', 'resolve']
`;
  if (!hasPeer) {
    return { [REGISTRY]: `server = 'http://${REGISTRY}'\n\n${own}` };
  }
  const through = (server: string): string => `[host.'${LOCAL_PEER.url}']
  capabilities = ['pull', 'resolve']
  [host.'${LOCAL_PEER.url}'.header]
    X-Dragonfly-Registry = '${server}'
`;
  const [plain, tls] = [`http://${REGISTRY}`, `https://${TLS_REGISTRY}`];
  return {
    [REGISTRY]: `server = '${plain}'\n\n${through(plain)}\n${own}`,
    [TLS_REGISTRY]: `server = '${tls}'\nca = '${pki.ca.cert}'\n\n${through(tls)}`,
  };
}

/** The CNI network of a node: a veth per Pod, addresses from the node's own subnet, no masquerading. */
export function cniConfig(node: NodePlan): string {
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [
      {
        type: 'ptp',
        ipMasq: false,
        ipam: { type: 'host-local', ranges: [[{ subnet: node.podSubnet }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  });
}

/** nydus-snapshotter's configuration: a FUSE daemon per image. */
export function snapshotterConfig(folder: string, nydusImage: string): string {
  return `version = 1
root = '${NODE_PATHS.nydus}'
address = '${NODE_PATHS.snapshotter}'
daemon_mode = 'dedicated'
cleanup_on_close = true
[system]
  enable = true
  address = '/run/containerd-nydus/system.sock'
[metrics]
  address = '127.0.0.1:9110'
[daemon]
  nydusd_config = '${folder}/nydusd.json'
  nydusd_path = '${folder}/nydusd'
  nydusimage_path = '${nydusImage}'
  fs_driver = 'fusedev'
  recover_policy = 'restart'
  threads_number = 2
[snapshot]
  enable_nydus_overlayfs = false
[remote]
  skip_ssl_verify = true
  convert_vpc_registry = false
[log]
  level = 'info'
  log_to_stdout = true
[cgroup]
  enable = false
[cache_manager]
  disable = false
  gc_period = '24h'
  cache_dir = ''
`;
}

/** nydusd's configuration: chunks come from the registry as they are read, through the proxy where there is one. */
export function nydusdConfig(proxy?: NydusProxy): string {
  const backend = {
    // It tries HTTPS first, and falls back to plain HTTP: that takes a moment that only clusters with both have to spend.
    ...(proxy === LOCAL_PEER ? {} : { scheme: 'http' }),
    skip_verify: true,
    timeout: 5,
    connect_timeout: 5,
    retry_limit: 2,
    ...(proxy === undefined
      ? {}
      : {
          proxy: { url: proxy.url, ping_url: proxy.pingUrl, fallback: true, check_interval: 5, use_http: true },
        }),
  };
  return JSON.stringify({
    device: { backend: { type: 'registry', config: backend }, cache: { type: 'blobcache' } },
    mode: 'direct',
    digest_validate: false,
    iostats_files: true,
    enable_xattr: true,
    access_pattern: true,
    latest_read_files: true,
    // Only what the artifact lists (spec.conversion.prefetchPaths); all of it would throw the gain of lazy loading away.
    fs_prefetch: { enable: true, threads_count: 4, prefetch_all: false },
  });
}

/**
 * A script in nydusd's place: by itself nydusd raises its limit of open files to a million, and dies on machines that
 * withhold CAP_SYS_RESOURCE.
 */
export function nydusdWrapper(nydusd: string): string {
  return `#!/bin/sh
if [ "$1" = fuse ]; then
  shift
  exec '${nydusd}' fuse --rlimit-nofile 0 "$@"
fi
exec '${nydusd}' "$@"
`;
}

/** kubelet's configuration; it is JSON, which is YAML. */
export function kubeletConfig(node: NodePlan, pki: Pki, serving: { cert: string; key: string }): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: node.address,
    healthzBindAddress: '127.0.0.1',
    healthzPort: 10248,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: pki.ca.cert } },
    authorization: { mode: 'Webhook' },
    tlsCertFile: serving.cert,
    tlsPrivateKeyFile: serving.key,
    containerRuntimeEndpoint: `unix://${NODE_PATHS.containerd}`,
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    localStorageCapacityIsolation: false,
    volumePluginDir: '/var/lib/kubelet/volume-plugins',
    evictionHard: {},
    imageGCHighThresholdPercent: 100,
    // There is no cluster DNS; Pods get an empty resolv.conf.
    resolvConf: '',
    // Failures to set oom_score_adj and kernel settings are then no failures of the node.
    featureGates: { KubeletInUserNamespace: true },
  });
}

/** kube-proxy's configuration: iptables, and no limits of the machine's connection tracking touched. */
export function kubeProxyConfig(node: NodePlan, kubeconfig: string): string {
  return JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    clusterCIDR: ADDRESSES.pods,
    hostnameOverride: node.name,
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    clientConnection: { kubeconfig },
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  });
}
