/**
 * Scale-outs of different shapes, side by side on a development cluster: the real HorizontalPodAutoscaler on real CPU, a real
 * dfdaemon, Slipstream from its own image. For each the lead of the verified warm over the first new Pod.
 */
import { join } from 'node:path';
import { runInFreshCluster } from '../../hack/cluster/fresh.ts';
import { prepareOperatorImage } from '../../hack/image/build.ts';

// Out here, where packages can be had: the cluster's namespaces reach nothing else.
await prepareOperatorImage();
const inside = join(import.meta.dirname, 'scaleouts/inside.ts');
await runInFreshCluster(['--name', `scaleouts-${process.pid}`, '--seed'], [inside]);
