import { z } from 'zod';
import { API_VERSION } from './group.ts';
import { InspectionSpec, InspectionStatus } from './inspection.ts';
import {
  Bytes,
  Conditions,
  Count,
  Digest,
  Duration,
  ImageReference,
  LocalObjectReference,
  ObjectMeta,
  ObjectName,
  Platform,
  Time,
  durationBetween,
} from './meta.ts';

/** resource.Quantity; the pattern is the one that controller-gen gives it. */
const Quantity = z
  .union([
    z.int(),
    z
      .string()
      .max(32)
      .regex(
        /^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$/,
      ),
  ])
  .meta({ 'x-kubernetes-int-or-string': true });

const ResourceList = z.record(z.string().max(63), Quantity).meta({ maxProperties: 8 });

/** The value of a label, as the API server would check it on the Job. */
const LabelValue = z
  .string()
  .max(63)
  .regex(/^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/);

/** core/v1 Toleration with the rules that the API server has for it, so that a bad one is refused here and not on the Job. */
const Toleration = z
  .object({
    key: z
      .string()
      .max(316)
      .optional()
      .meta({ description: 'Key of the taint. Empty: every taint; the operator must then be Exists.' }),
    operator: z.enum(['Exists', 'Equal']).optional().meta({ description: 'Default: Equal.' }),
    value: LabelValue.optional().meta({ description: 'Value of the taint, for the operator Equal.' }),
    effect: z
      .enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])
      .optional()
      .meta({ description: 'Effect of the taint. Default: every effect.' }),
    tolerationSeconds: z
      .int()
      .optional()
      .meta({ format: 'int64', description: 'How long a NoExecute taint is tolerated. Default: for ever.' }),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: "has(self.key) && self.key != '' || has(self.operator) && self.operator == 'Exists'",
        message: 'operator must be Exists when key is empty',
      },
      {
        rule: "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
        message: 'value must be empty when operator is Exists',
      },
      {
        rule: "!has(self.tolerationSeconds) || has(self.effect) && self.effect == 'NoExecute'",
        message: 'effect must be NoExecute when tolerationSeconds is set',
      },
    ],
  });

/** What cosign writes to cosign.pub. */
const PublicKey = z
  .string()
  .max(2048)
  .regex(/^-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]+-----END PUBLIC KEY-----\n?$/);

const Source = z.object({
  image: ImageReference.meta({
    description:
      'The image as Pods name it: a tag is followed when it moves, a digest never is. Docker Hub short names are allowed.',
  }),
  interval: durationBetween('interval', '10s', '168h')
    .default('5m')
    .meta({ description: 'How often a tag is resolved again, as a Go duration.' }),
  pullSecretRef: LocalObjectReference.optional().meta({
    description: 'Secret of type kubernetes.io/dockerconfigjson that can pull the source.',
  }),
  verify: z
    .object({
      publicKeys: z.array(PublicKey).min(1).max(8).meta({
        description: 'Public keys in PEM; a signature by one of them will do.',
        'x-kubernetes-list-type': 'set',
      }),
    })
    .optional()
    .meta({
      description:
        "The source is converted only if it carries a signature that cosign made with a key pair, beside what the operator's configuration asks for.",
    }),
});

/** A place in a registry, where tags are made. */
const Repository = ImageReference.meta({
  'x-kubernetes-validations': [
    { rule: "!self.contains('@')", message: 'repository must not carry a digest' },
    { rule: "!self.split('@')[0].matches(':[^/]*$')", message: 'repository must not carry a tag' },
  ],
});

/** The value of the node label topology.kubernetes.io/region. */
const Region = z
  .string()
  .min(1)
  .max(63)
  .regex(/^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/);

const Target = z.object({
  repository: Repository.optional().meta({
    description: "Repository for the artifact, without tag or digest. Default: the source's.",
  }),
  tagSuffix: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z0-9._-]+$/)
    .default('-nydus')
    .meta({ description: "Appended to the source's tag to name the artifact's." }),
  pushSecretRef: LocalObjectReference.optional().meta({
    description: 'Secret of type kubernetes.io/dockerconfigjson that can push to the target. Default: the pull secret.',
  }),
});

const ChunkDictionary = z
  .object({
    image: ImageReference.optional().meta({
      description: 'A Nydus image, by tag or by digest. A tag is resolved when a conversion starts.',
    }),
    from: z.enum(['PreviousVersion']).optional().meta({
      description: "PreviousVersion: the artifact that this object's newest conversion made, if there is one.",
    }),
  })
  .meta({
    'x-kubernetes-validations': [
      { rule: 'has(self.image) != has(self.from)', message: 'chunkDictionary must have exactly one of image and from' },
    ],
  });

const Conversion = z.object({
  mode: z.enum(['Convert', 'Adopt']).default('Convert').meta({
    description:
      'Convert: the artifact is made from the source. Adopt: something else makes it, such as the build that makes the source; it is the source itself, a referrer of it, or has its tag with the suffix.',
  }),
  format: z.enum(['RafsV6', 'RafsV5', 'Zran']).default('RafsV6').meta({
    description:
      'File system format of the artifact. Zran stores only an index over the layers of the source, which must be compressed with gzip or not at all and stay in the registry.',
  }),
  platforms: z.array(Platform).min(1).max(8).optional().meta({
    description: "Platforms to convert. Default: those of the cluster's nodes that the source offers.",
    'x-kubernetes-list-type': 'set',
  }),
  compressor: z
    .enum(['zstd', 'lz4_block', 'none'])
    .default('zstd')
    .meta({ description: 'Compression of the chunks. Zran leaves them as they are.' }),
  chunkDictionary: ChunkDictionary.optional().meta({
    description: 'Chunks that this image holds are referred to instead of being stored again.',
  }),
  prefetchPaths: z.array(z.string().min(2).max(4096).regex(/^\//)).max(256).optional().meta({
    description: 'Absolute paths that nydusd fetches at once when the image is mounted. Never the whole image.',
    'x-kubernetes-list-type': 'set',
  }),
  resources: z
    .object({
      requests: ResourceList.optional().meta({ description: 'Least amount per resource, such as cpu or memory.' }),
      limits: ResourceList.optional().meta({ description: 'Most per resource.' }),
    })
    .optional()
    .meta({ description: 'Resources of the container that converts, and of those that copy to regions.' }),
  nodeSelector: z.record(z.string().max(316), LabelValue).optional().meta({
    maxProperties: 16,
    description: 'Nodes that the Jobs may run on.',
  }),
  tolerations: z
    .array(Toleration)
    .max(16)
    .optional()
    .meta({ description: 'Tolerations of the Jobs.', 'x-kubernetes-list-type': 'atomic' }),
  priorityClassName: ObjectName.optional().meta({ description: 'Priority class of the Jobs.' }),
  backoffLimit: z
    .int()
    .min(0)
    .max(10)
    .default(3)
    .meta({ format: 'int32', description: 'Failed attempts before a Job is given up.' }),
  timeout: durationBetween('timeout', '1m', '24h')
    .default('1h')
    .meta({ description: 'Longest time that all attempts of one Job may take together, as a Go duration.' }),
});

const Replica = z.object({
  region: Region.meta({ description: 'Region of nodes, as their label topology.kubernetes.io/region has it.' }),
  repository: Repository.meta({
    description: "Repository for the region's copy, without tag or digest. Regions may share one.",
  }),
  pushSecretRef: LocalObjectReference.optional().meta({
    description:
      "Secret of type kubernetes.io/dockerconfigjson that can push to the repository, and pull from it. Default: the target's.",
  }),
  source: z
    .boolean()
    .default(false)
    .meta({ description: 'True: the source image is copied too, under its own tag. No Pod is rewritten to it.' }),
});

const History = z.object({
  keep: z.int().min(0).max(20).default(3).meta({
    format: 'int32',
    description: 'Older artifacts whose tags stay in the registry, beside the current one.',
  }),
});

const Rewrite = z.object({
  policy: z.enum(['WhenReady', 'Never']).default('WhenReady').meta({
    description: 'WhenReady rewrites new Pods once the artifact is verified; Never only converts.',
  }),
});

export const AcceleratedImageSpec = z
  .object({
    source: Source.meta({ description: 'The OCI image to accelerate.' }),
    target: Target.prefault({}).meta({ description: 'Where the artifact goes.' }),
    conversion: Conversion.prefault({}).meta({
      description: 'How the artifact is made.',
      'x-kubernetes-validations': [
        {
          rule: "!has(self.chunkDictionary) || self.format != 'Zran'",
          message: 'chunkDictionary cannot be used with the format Zran, which stores no chunks',
        },
        {
          rule: "!has(self.mode) || self.mode != 'Adopt' || self.format == 'RafsV6' && self.compressor == 'zstd' && !has(self.chunkDictionary) && !has(self.prefetchPaths)",
          message:
            'format, compressor, chunkDictionary and prefetchPaths have no effect in the mode Adopt: whoever builds the artifact decides them',
        },
      ],
    }),
    replicas: z
      .array(Replica)
      .max(16)
      .optional()
      .meta({
        description:
          "Copies of the artifact in other registries. Pods that can only land in a replica's region run its copy, once that is verified.",
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['region'],
      }),
    inspection: InspectionSpec.optional().meta({
      description: 'What the image is held against; it is inspected in any case.',
    }),
    rewrite: Rewrite.prefault({}).meta({ description: 'Whether Pods are rewritten to the artifact.' }),
    history: History.prefault({}).meta({ description: 'What becomes of older artifacts.' }),
    deletionPolicy: z.enum(['Retain', 'Delete']).default('Retain').meta({
      description:
        'What becomes of the tags in the registries when the object is deleted. Delete removes those that this object made and no Pod or other AcceleratedImage needs; Retain leaves all.',
    }),
    suspend: z
      .boolean()
      .default(false)
      .meta({ description: 'True: nothing is resolved or converted; what is ready stays in use.' }),
  })
  .meta({ description: 'The desired state.' });
export type AcceleratedImageSpec = z.infer<typeof AcceleratedImageSpec>;

const PlatformImage = z.object({
  platform: Platform,
  digest: Digest.meta({ description: 'Digest of the manifest of this platform.' }),
  size: Bytes.meta({ description: 'Bytes of config and layers as stored in the registry.' }),
});

export const AcceleratedImageStatus = z
  .object({
    observedGeneration: z
      .int()
      .min(0)
      .optional()
      .meta({ format: 'int64', description: 'The generation that was last reconciled.' }),
    source: z
      .object({
        image: z.string().max(1024).meta({ description: 'The reference that was resolved.' }),
        digest: Digest.meta({ description: 'What the registry answered: the digest of a manifest or of an index.' }),
        resolvedAt: Time.meta({ description: 'When the registry last said so.' }),
        notifiedAt: Time.optional().meta({
          description: 'The notification that this follows on: its status.notification.at.',
        }),
        platforms: z
          .array(PlatformImage.extend({ layers: Count.meta({ description: 'Number of layers.' }) }))
          .max(16)
          .optional()
          .meta({ description: 'The platforms to convert.' }),
      })
      .optional()
      .meta({ description: 'The source as last resolved.' }),
    notification: z
      .object({
        at: Time.meta({ description: 'When it came, by the clock of the replica that took it.' }),
      })
      .optional()
      .meta({
        description:
          'The newest notification that the tag was pushed. The registry is asked while it is another than status.source.notifiedAt.',
      }),
    artifact: z
      .object({
        image: z.string().max(1200).meta({ description: 'What Pods are rewritten to: repository:tag@digest.' }),
        digest: Digest.meta({ description: 'Digest of the artifact: a manifest, or an index for several platforms.' }),
        sourceDigest: Digest.meta({ description: 'The source that this artifact was made from.' }),
        format: z.string().max(16).meta({ description: 'File system format: RafsV6, RafsV5 or Zran.' }),
        builder: z.string().max(128).meta({
          description:
            'Version of nydus-image. Of an adopted artifact: who built it, as far as it says; unknown where it does not.',
        }),
        adoptedFrom: z
          .enum(['Source', 'Referrer', 'Tag'])
          .optional()
          .meta({ description: 'Where an adopted artifact was found. Absent for one that was converted.' }),
        convertedAt: Time.meta({ description: 'When the conversion ended, or an artifact was adopted.' }),
        platforms: z
          .array(PlatformImage.extend({ bootstrapSize: Bytes.meta({ description: 'Bytes of the bootstrap layer.' }) }))
          .max(16)
          .meta({ description: 'The platforms that it holds.' }),
        signature: z
          .object({
            digest: Digest.meta({ description: 'Manifest of its signatures, tagged sha256-….sig.' }),
            attestation: Digest.meta({ description: 'Manifest of its attestations, tagged sha256-….att.' }),
            key: Digest.meta({ description: "Digest of the operator's public key." }),
            bootstrapKey: Digest.optional().meta({
              description: 'Digest of the public key by which nydus-snapshotter can check the bootstraps.',
            }),
          })
          .optional()
          .meta({ description: 'What the operator signed it with.' }),
      })
      .optional()
      .meta({ description: 'The newest verified artifact.' }),
    sourceVerification: z
      .object({
        digest: Digest.meta({ description: 'The source that was checked.' }),
        policy: z.string().max(64).meta({ description: 'Identity of the keys that it was checked by.' }),
        verifiedAt: Time.meta({ description: 'When it was found to be signed.' }),
      })
      .optional()
      .meta({ description: 'The newest source whose signature was found good. A digest is checked once.' }),
    conversion: z
      .object({
        hash: z
          .string()
          .max(64)
          .meta({ description: 'Identity of the conversion: source digest, options and target.' }),
        job: z.string().max(253).optional().meta({ description: 'Name of the Job.' }),
        phase: z.enum(['Queued', 'Running', 'Succeeded', 'Failed']).meta({ description: 'How far it is.' }),
        startedAt: Time.optional().meta({ description: 'When its Job was made.' }),
        queuePosition: z
          .int()
          .min(1)
          .optional()
          .meta({ format: 'int32', description: 'Conversions ahead of this one, plus one.' }),
        progress: z
          .object({
            percent: z.int().min(0).max(100).meta({ format: 'int32', description: 'Share that is done, 0 to 100.' }),
            bytesDone: Bytes.meta({ description: 'Source bytes that are converted.' }),
            bytesTotal: Bytes.meta({ description: 'Source bytes in all.' }),
          })
          .optional()
          .meta({ description: 'Source bytes that are converted, of all.' }),
        timings: z
          .object({
            queue: Duration.optional().meta({ description: 'From asked for to its Job made.' }),
            pull: Duration.optional().meta({ description: 'Reading the source layers.' }),
            build: Duration.optional().meta({ description: 'nydus-image at work.' }),
            push: Duration.optional().meta({ description: 'Writing to the target registry.' }),
            verify: Duration.optional().meta({ description: 'Checking the artifact in the registry.' }),
            total: Duration.optional().meta({ description: 'From asked for to verified.' }),
          })
          .optional()
          .meta({ description: 'Where the time went. Pull, build and push run side by side: they are not a sum.' }),
        bytesRead: Bytes.optional().meta({ description: 'Bytes read from the source registry.' }),
        bytesPushed: Bytes.optional().meta({ description: 'Bytes pushed to the target registry.' }),
        layers: z
          .object({
            total: Count.meta({ description: 'Layers of the source.' }),
            reused: Count.meta({ description: 'Layers that an earlier conversion had already made.' }),
          })
          .optional()
          .meta({ description: 'What was converted and what was reused.' }),
        chunks: z
          .object({
            deduplicated: Count.meta({
              description: 'Chunks that were there already, in the dictionary or in the same layer.',
            }),
          })
          .optional()
          .meta({ description: 'Chunks of the layers that were converted, as nydus-image counted them.' }),
        bytesDeduplicated: Bytes.optional().meta({ description: 'Bytes of those chunks, before compression.' }),
        dedupRatio: z
          .string()
          .max(8)
          .optional()
          .meta({ description: 'Their share of the bytes of all chunks of the layers that were converted, 0 to 1.' }),
        message: z.string().max(1024).optional().meta({ description: 'Why it failed.' }),
      })
      .optional()
      .meta({ description: 'The newest conversion.' }),
    inspection: InspectionStatus.optional().meta({ description: 'What was found in the source of the artifact.' }),
    replicas: z
      .array(
        z.object({
          region: Region.meta({ description: 'The region of the spec.' }),
          hash: z.string().max(64).meta({ description: 'Identity of the copy: what is copied, and to where.' }),
          image: z.string().max(1200).meta({ description: 'The copy of the artifact: repository:tag@digest.' }),
          digest: Digest.meta({ description: 'Digest of the artifact that it is a copy of.' }),
          state: z
            .enum(['Pending', 'Copying', 'Ready', 'Failed'])
            .meta({ description: 'Ready: verified in its registry. Only then Pods are rewritten to it.' }),
          job: z.string().max(253).optional().meta({ description: 'Name of the newest Job.' }),
          failures: Count.optional().meta({
            description: 'Failures in a row, for each of which the time to the next attempt is twice as long.',
          }),
          retryAt: Time.optional().meta({ description: 'When it is tried again.' }),
          reason: z.string().max(64).optional().meta({ description: 'Why it is not Ready.' }),
          message: z.string().max(1024).optional().meta({ description: 'The same for a person.' }),
          syncedAt: Time.optional().meta({ description: 'When it was verified.' }),
        }),
      )
      .max(16)
      .optional()
      .meta({
        description: 'The copies of the regions.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['region'],
      }),
    history: z
      .array(
        z.object({
          image: z.string().max(1200).meta({
            description: 'The artifact, by the tag of its own that keeps it in the registry: repository:tag@digest.',
          }),
          digest: Digest.meta({ description: 'Digest of the artifact.' }),
          sourceDigest: Digest.meta({ description: 'The source that it was made from.' }),
          convertedAt: Time.meta({ description: 'When the conversion ended.' }),
          tags: z.array(z.string().max(1200)).max(64).optional().meta({
            description: 'Tags that this object made for it, in all registries. No others are ever removed.',
            'x-kubernetes-list-type': 'set',
          }),
          supersededAt: Time.optional().meta({ description: 'When it was found to be one too many.' }),
          checkedAt: Time.optional().meta({ description: 'When it was last tried to remove its tags.' }),
          reason: z.string().max(64).optional().meta({ description: 'Why its tags are still there.' }),
          message: z.string().max(1024).optional().meta({ description: 'The same for a person.' }),
        }),
      )
      .max(64)
      .optional()
      .meta({
        description: 'The artifacts whose tags are in the registry, the current one first.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['digest'],
      }),
    summary: z
      .object({
        size: z.string().max(16).optional().meta({ description: 'Size of the source.' }),
        nydus: z.string().max(16).optional().meta({ description: 'Size of the artifact.' }),
        dedup: z.string().max(16).optional().meta({ description: 'Share of the chunks that was there already.' }),
        took: z.string().max(16).optional().meta({ description: 'Duration of the newest conversion.' }),
        copies: z.string().max(16).optional().meta({ description: 'Copies for regions that are Ready, of all.' }),
      })
      .optional()
      .meta({ description: 'The figures of the printer columns, for people; the exact ones are above.' }),
    conditions: Conditions.optional(),
  })
  .meta({ description: 'The observed state, written by the operator only.' });
export type AcceleratedImageStatus = z.infer<typeof AcceleratedImageStatus>;

export const AcceleratedImage = z
  .object({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('AcceleratedImage'),
    metadata: ObjectMeta,
    spec: AcceleratedImageSpec,
    status: AcceleratedImageStatus.optional(),
  })
  .meta({
    description:
      'An AcceleratedImage keeps a Nydus version of a container image beside it in the registry, in step with its tag, and has new Pods that name the image run the Nydus version. It acts on Pods of its own namespace; in the namespace of the operator it acts on Pods of every namespace that has none of its own for the image.',
  });
export type AcceleratedImage = z.infer<typeof AcceleratedImage>;
