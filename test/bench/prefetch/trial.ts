import { REGISTRY } from '../../../hack/cluster/layout.ts';
import { RUNTIME_HANDLER_ANNOTATION } from '../../../src/api/v1alpha1/labels.ts';
import type { WarmImage } from '../../../src/dragonfly/provider.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { RegistryClient } from '../../../src/registry/client.ts';
import { parseReference } from '../../../src/registry/reference.ts';
import { isIndex } from '../../../src/registry/schema.ts';
import { convertDirectly } from '../convert-directly.ts';
import { pushService, READ_AND_SERVE } from './service.ts';
import { deploy, LABEL } from './workload.ts';
import type { Workload } from './workload.ts';

/** What each image has of its own, and every new Pod reads. */
const OWN_BYTES = 64 * 1024 * 1024;

/** A way to bring an image to new nodes. */
export interface Contender {
  readonly name: string;
  /** Whether nodes and clients read through the seed peer. */
  readonly usesSeed: boolean;
  /** Whether the seed peer is told to fetch the image as soon as the autoscaler has acted. */
  readonly warmsAtEvent?: boolean;
  /** Whether a PrefetchPolicy looks after the service. */
  readonly hasPolicy?: boolean;
}

/** A service that is to be scaled out once. */
export interface Trial {
  readonly contender: Contender;
  /** New readers of its image: a node, and as many clients as are left. */
  readonly pullers: number;
  readonly workload: Workload;
  /** The image as a provider is told to warm it. */
  readonly image: WarmImage;
  /** Bytes of the image. */
  readonly bytes: number;
}

/** Makes the image of a trial and deploys its service on one node, so that a second Pod goes to the other. */
export async function prepareTrial(
  client: KubeClient,
  contender: Contender,
  pullers: number,
  run: number,
): Promise<Trial> {
  const name = `${contender.name}-${pullers}-${run}`;
  const source = await pushService(name, OWN_BYTES);
  const artifact = await convertDirectly(source, `${source}-nydus`);
  const image = await blobsOf(artifact);
  const workload: Workload = {
    name,
    image: artifact,
    command: READ_AND_SERVE,
    minReplicas: 1,
    maxReplicas: 2,
    podAnnotations: { [RUNTIME_HANDLER_ANNOTATION]: 'nydus' },
    podSpec: {
      runtimeClassName: 'nydus',
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { [LABEL]: name } } },
          ],
        },
      },
    },
    ...(contender.hasPolicy === true ? { policy: {} } : {}),
  };
  await deploy(client, workload);
  return { contender, pullers, workload, image, bytes: image.blobs.reduce((sum, { size }) => sum + size, 0) };
}

async function blobsOf(artifact: string): Promise<WarmImage> {
  const registry = new RegistryClient({
    registries: { [REGISTRY]: { plainHTTP: true } },
    userAgent: 'slipstream-bench',
  });
  try {
    const reference = parseReference(artifact);
    const { manifest, descriptor } = await registry.manifest(reference);
    if (isIndex(manifest)) {
      throw new Error(`${artifact} is an index, not the manifest of one platform`);
    }
    const base = `http://${REGISTRY}/v2/${reference.repository}`;
    const blobs = [manifest.config, ...manifest.layers].map(({ digest, size }) => ({
      registry: REGISTRY,
      repository: reference.repository,
      digest,
      size,
      url: `${base}/blobs/${digest}`,
    }));
    const platform = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';
    return { manifestUrl: `${base}/manifests/${descriptor.digest}`, platform, blobs };
  } finally {
    await registry.close();
  }
}
