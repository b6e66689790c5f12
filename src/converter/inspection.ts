import { readFile } from 'node:fs/promises';
import { INSPECTION_ANNOTATION } from '../api/v1alpha1/labels.ts';
import { InspectionStatus } from '../api/v1alpha1/inspection.ts';
import { COMPARED_FROM } from '../inspection/entry.ts';
import { inspectImage, type ImageFacts } from '../inspection/report.ts';
import { summaryOf } from '../inspection/summary.ts';
import { readEntries } from '../rafs/entries.ts';
import type { Manifest } from '../registry/schema.ts';
import type { ConversionJob } from './job.ts';
import type { SourceImage } from './source.ts';

/** What an image's documents say that its inspection needs. */
export function imageFacts({ manifest, config }: Pick<SourceImage, 'manifest' | 'config'>): ImageFacts {
  const user = config.config?.['User'];
  return {
    layers: manifest.layers,
    history: config.history ?? [],
    user: typeof user === 'string' ? user : undefined,
    annotations: manifest.annotations ?? {},
  };
}

/**
 * Inspects an image by the trees of its layers, which say of every layer what its tar said, and of the content of its files
 * by digest; also of a layer that was taken over and not read. Undefined where it cannot be inspected, which holds nothing up.
 * @param trees paths of the layers' trees, from the lowest up.
 */
export async function inspectTrees(
  image: SourceImage,
  trees: readonly string[],
  { log }: Pick<ConversionJob, 'log'>,
): Promise<InspectionStatus | undefined> {
  try {
    const inspection = inspectImage(imageFacts(image));
    for (const path of trees) {
      inspection.layer(readEntries(await readFile(path), COMPARED_FROM));
    }
    return summaryOf(inspection.report(), image.name);
  } catch (error) {
    log.warn({ platform: image.name, err: error }, 'the image could not be inspected');
    return undefined;
  }
}

/** The inspection of an artifact of several platforms: that of the one with the most bytes. */
export function mainInspection(manifests: readonly Manifest[]): InspectionStatus | undefined {
  const all = manifests.flatMap(({ annotations }) => parse(annotations?.[INSPECTION_ANNOTATION]) ?? []);
  return all.toSorted((a, b) => b.size - a.size)[0];
}

/** What an artifact says may have been written by anybody, or by another version. */
function parse(text: string | undefined): InspectionStatus | undefined {
  try {
    return text === undefined ? undefined : InspectionStatus.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
