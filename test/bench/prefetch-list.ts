/**
 * The same Pod from an empty node with no prefetch list, with the one that `slipstream learn` proposes, and with everything
 * prefetched: real containerd, nydus-snapshotter and nydusd, in a cluster.
 */
import { join } from 'node:path';
import { makeInferenceImage } from '../../hack/demo/image.ts';
import { runInFreshCluster } from '../../hack/cluster/fresh.ts';
import { prepareOperatorImage } from '../../hack/image/build.ts';
import { createProgress } from '../../hack/tools/progress.ts';

// Out here, where packages can be had: the cluster's namespaces reach nothing else.
await prepareOperatorImage();
await makeInferenceImage(createProgress());
const inside = join(import.meta.dirname, 'prefetch-list/inside.ts');
await runInFreshCluster(['--name', `prefetch-list-${process.pid}`, '--nodes', '2'], [inside]);
