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
