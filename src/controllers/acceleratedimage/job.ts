import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { CONVERSION_LABEL } from '../../api/v1alpha1/labels.ts';
import type { Config } from '../../config.ts';
import type { ConvertRequest } from '../../converter/options.ts';
import type { Manifest } from '../../kube/client.ts';
import type { Job } from '../../kube/resources.ts';
import { workerJob } from './worker-job.ts';

const SCRATCH = '/work';

export interface JobRequest {
  image: AcceleratedImage;
  name: string;
  hash: string;
  /** Registry host that is read from. */
  registry: string;
  convert: Omit<ConvertRequest, 'workDir'>;
}

/** The Job that converts one image. */
export function buildJob({ image, name, hash, registry, convert }: JobRequest, config: Config): Manifest<Job> {
  const { source, target } = image.spec;
  const pullSecret = source.pullSecretRef?.name;
  const request: ConvertRequest = { ...convert, workDir: SCRATCH };
  return workerJob(
    {
      image,
      name,
      label: [CONVERSION_LABEL, hash],
      registry,
      command: 'convert',
      request,
      secrets: { source: pullSecret, target: target.pushSecretRef?.name ?? pullSecret },
      scratch: SCRATCH,
    },
    config,
  );
}
