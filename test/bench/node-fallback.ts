/**
 * What happens to a Nydus Pod when the Dragonfly peer of its node, through which nydusd reads, is away: real containerd,
 * nydus-snapshotter, nydusd and dfdaemon, in a cluster.
 */
import { join } from 'node:path';
import { runInFreshCluster } from '../../hack/cluster/fresh.ts';

const inside = join(import.meta.dirname, 'node-fallback/inside.ts');
await runInFreshCluster(['--name', `node-fallback-${process.pid}`, '--seed', '--peers'], [inside]);
