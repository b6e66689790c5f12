import type { Node } from '../kube/resources.ts';

/**
 * The platform as a node tells it, `os/architecture`: variants that containerd takes for the plain architecture are dropped
 * (containerd/platforms, normalizeArch), any other stays and so matches no node.
 */
export function nodePlatform(platform: string): string {
  const [os, architecture, variant] = platform.split('/');
  const plain =
    variant === undefined ||
    (architecture === 'arm64' && variant === 'v8') ||
    (architecture === 'amd64' && variant === 'v1') ||
    (architecture === 'arm' && ['v5', 'v6', 'v7'].includes(variant));
  return plain ? `${os}/${architecture}` : platform;
}

/** The platforms of a cluster's nodes, as OCI Image indexes spell them: `os/architecture`. */
export function nodePlatforms(nodes: readonly Node[]): string[] {
  const names = nodes.flatMap(({ status }) =>
    status?.nodeInfo === undefined ? [] : [`${status.nodeInfo.operatingSystem}/${status.nodeInfo.architecture}`],
  );
  return [...new Set(names)];
}
