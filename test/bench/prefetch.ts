/**
 * What a scale-out costs without Dragonfly, with it, with it warmed once the autoscaler has acted, and with Slipstream; then
 * how long before the first new Pod Slipstream is done, over loads of many shapes. On a development cluster with the real
 * HorizontalPodAutoscaler on real CPU, a real dfdaemon, and a registry behind a slow line.
 * Options: `--part` contenders or leads (both), `--runs` of each contender (2).
 */
import { join } from 'node:path';
import { runInFreshCluster } from '../../hack/cluster/fresh.ts';
import { prepareOperatorImage } from '../../hack/image/build.ts';

// Out here, where packages can be had: the cluster's namespaces reach nothing else.
await prepareOperatorImage();
const inside = join(import.meta.dirname, 'prefetch/inside.ts');
const cluster = ['--name', `prefetch-${process.pid}`, '--nodes', '2', '--seed'];
await runInFreshCluster(cluster, [inside, ...process.argv.slice(2)]);
