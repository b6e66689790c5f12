import type { Reference, Repository } from '../registry/reference.ts';

/** Predicate of SLSA provenance v1 (https://slsa.dev/spec/v1.0/provenance); `slsaprovenance1` for cosign. */
export const PROVENANCE_PREDICATE = 'https://slsa.dev/provenance/v1';

/** How the parameters of a conversion are to be read. */
const BUILD_TYPE = 'https://slipstream.dev/conversion/v1';
const BUILDER_ID = 'https://slipstream.dev/operator';

/** What an artifact was made of, with and by. */
export interface Origin {
  artifact: Repository & { digest: string };
  /** Digests of its platforms' manifests, which the statement is about, too. */
  platforms: readonly { platform: string; digest: string }[];
  source: Reference & { digest: string };
  format: string;
  optionsHash: string;
  /** Version of nydus-image. */
  builder: string;
  /** When the conversion ended. */
  convertedAt: string;
}

/** The in-toto statement (v1) about how an artifact was made: the same for the same artifact. */
export function provenanceOf(origin: Origin): object {
  const { artifact, platforms, source, format, optionsHash, builder, convertedAt } = origin;
  const name = `${artifact.registry}/${artifact.repository}`;
  const others = platforms.filter(({ digest }) => digest !== artifact.digest);
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [
      { name, digest: hexOf(artifact.digest) },
      ...others.map(({ platform, digest }) => ({ name: `${name} (${platform})`, digest: hexOf(digest) })),
    ],
    predicateType: PROVENANCE_PREDICATE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: { source: `${source.registry}/${source.repository}`, format },
        internalParameters: { optionsHash },
        resolvedDependencies: [
          { uri: `oci://${source.registry}/${source.repository}@${source.digest}`, digest: hexOf(source.digest) },
        ],
      },
      runDetails: {
        builder: { id: BUILDER_ID, version: { 'nydus-image': builder } },
        metadata: { finishedOn: convertedAt },
      },
    },
  };
}

function hexOf(digest: string): { sha256: string } {
  return { sha256: digest.slice(digest.indexOf(':') + 1) };
}
