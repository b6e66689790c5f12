import type { Node } from '../kube/resources.ts';

/** The platforms of a cluster's nodes, as OCI Image indexes spell them: `os/architecture`. */
export function nodePlatforms(nodes: readonly Node[]): string[] {
  const names = nodes.flatMap(({ status }) =>
    status?.nodeInfo === undefined ? [] : [`${status.nodeInfo.operatingSystem}/${status.nodeInfo.architecture}`],
  );
  return [...new Set(names)];
}
