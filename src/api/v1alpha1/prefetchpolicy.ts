import { z } from 'zod';
import { API_VERSION } from './group.ts';
import {
  Bytes,
  Conditions,
  Count,
  Digest,
  ImageReference,
  LocalObjectReference,
  ObjectMeta,
  ObjectName,
  Platform,
  Time,
  durationBetween,
} from './meta.ts';

const ScaleTargetRef = z.object({
  apiVersion: z.string().min(1).max(253).meta({ description: 'For example apps/v1.' }),
  kind: z.string().min(1).max(63).meta({ description: 'For example Deployment.' }),
  name: ObjectName.meta({ description: 'Name of the workload, in the same namespace.' }),
});

const Autoscaler = z.object({
  threshold: z
    .string()
    .max(5)
    .regex(/^(0(\.[0-9]{1,3})?|1(\.0{1,3})?)$/)
    .default('0.85')
    .meta({
      description:
        'Warm once a metric passes this share of its target, as a decimal string from 0 to 1; the HorizontalPodAutoscaler itself acts at 1 plus its tolerance.',
    }),
  horizon: durationBetween('horizon', '0s', '1h').default('60s').meta({
    description:
      'Below the threshold, warm too if the trend of the metric crosses the target within this time, as a Go duration. 0s: never by trend.',
  }),
});

const Schedule = z.object({
  cron: z.string().min(9).max(120).meta({
    description:
      'When more Pods are needed: five fields as in a CronJob (minute, hour, day of month, month, day of week).',
  }),
  timeZone: z
    .string()
    .min(1)
    .max(64)
    .default('Etc/UTC')
    .meta({ description: 'Name of the tz database that the cron expression is in, such as Asia/Jakarta.' }),
  lead: durationBetween('lead', '0s', '24h')
    .default('5m')
    .meta({ description: 'How long before that time to warm, as a Go duration.' }),
  replicas: z.int().min(1).max(100_000).optional().meta({
    description: 'Replicas needed then; nothing is warmed while there are as many. Default: more than there are.',
  }),
});
export type Schedule = z.infer<typeof Schedule>;

const Forecast = z.object({
  prometheusQuery: z.string().min(1).max(4096).meta({
    description:
      "PromQL that gives one number, the replicas expected after the horizon; asked of the Prometheus of the operator's configuration. $horizon in it stands for the horizon in seconds.",
  }),
  horizon: durationBetween('horizon', '1m', '24h')
    .default('10m')
    .meta({ description: 'How far ahead the query looks, as a Go duration.' }),
});
export type Forecast = z.infer<typeof Forecast>;

const Hold = z.object({
  maxDuration: durationBetween('maxDuration', '1s', '5m').meta({
    description:
      'Longest time that a new Pod waits, from its creation, as a Go duration. Then it is scheduled in any case.',
  }),
});
export type Hold = z.infer<typeof Hold>;

export const PrefetchPolicySpec = z
  .object({
    scaleTargetRef: ScaleTargetRef.optional().meta({
      description: 'The workload that scales out; its HorizontalPodAutoscaler is found by it.',
    }),
    horizontalPodAutoscalerRef: LocalObjectReference.optional().meta({
      description: 'The autoscaler; the workload follows from it.',
    }),
    images: z.array(ImageReference).max(16).optional().meta({
      description: "Images to warm. Default: what the target's Pod template will run, after rewriting.",
      'x-kubernetes-list-type': 'set',
    }),
    triggers: z
      .object({
        autoscaler: Autoscaler.prefault({}).meta({
          description: 'What the HorizontalPodAutoscaler and its metrics say.',
        }),
        schedules: z
          .array(Schedule)
          .max(16)
          .optional()
          .meta({ description: 'Times at which more Pods are needed.', 'x-kubernetes-list-type': 'atomic' }),
        forecast: Forecast.optional().meta({ description: 'What Prometheus expects.' }),
        newVersion: z.boolean().default(false).meta({
          description:
            'Warm a new artifact of an image of the target once it is verified, before a rollout reaches it: of the same tag, or the newest tag of the same repository.',
        }),
        newNode: z
          .boolean()
          .default(false)
          .meta({ description: 'Warm when a node joins, whose cache is empty and whose Pods soon come.' }),
      })
      .prefault({})
      .meta({ description: 'When to warm.' }),
    warm: z
      .object({
        provider: z
          .string()
          .min(1)
          .max(63)
          .default('default')
          .meta({ description: "A provider of the operator's configuration." }),
        content: z.enum(['Everything', 'PrefetchList']).default('Everything').meta({
          description:
            'What of an image to warm. PrefetchList: its tree, and of its data the files that the AcceleratedImage lists under conversion.prefetchPaths; all of it where there is no list, and with providers of the type manager.',
        }),
        seedReplicas: z.int().min(1).max(200).optional().meta({
          description:
            'On how many seed peers each blob is to be; nodes get it from any of them. Default: on all of them, which costs the most disk and spares the seed peers from one another.',
        }),
        timeout: durationBetween('timeout', '1s', '1h')
          .default('5m')
          .meta({ description: 'Longest time that one warm may take, as a Go duration.' }),
      })
      .prefault({})
      .meta({ description: 'How to warm.' }),
    limits: z
      .object({
        maxBytes: z
          .string()
          .max(32)
          .regex(/^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$/)
          .default('20Gi')
          .meta({ description: 'Most bytes that one warm may bring to the seed peers.' }),
        cooldown: durationBetween('cooldown', '0s', '24h').default('5m').meta({
          description:
            'Shortest time between two warms of the same images, unless they were evicted, as a Go duration.',
        }),
      })
      .prefault({})
      .meta({ description: 'What keeps warming from becoming a storm.' }),
    hold: Hold.optional().meta({
      description:
        "New Pods of the target wait at a scheduling gate while their images are being warmed, until one seed peer has them. Absent: they never wait. Needs hold.enabled in the chart's values.",
    }),
    mode: z
      .enum(['Warm', 'DryRun'])
      .default('Warm')
      .meta({ description: 'DryRun decides and records, and warms nothing.' }),
    suspend: z.boolean().default(false).meta({ description: 'True: nothing is decided or warmed.' }),
  })
  .meta({
    description: 'The desired state.',
    'x-kubernetes-validations': [
      {
        rule: 'has(self.scaleTargetRef) != has(self.horizontalPodAutoscalerRef)',
        message: 'exactly one of scaleTargetRef and horizontalPodAutoscalerRef must be set',
      },
    ],
  });
export type PrefetchPolicySpec = z.infer<typeof PrefetchPolicySpec>;

/** Seed peers of one image that a status names; those that are not warm come first. */
export const NAMED_SEEDS = 32;

export const WarmSeed = z.object({
  name: z.string().max(253).meta({ description: 'Name of the seed peer: that of its Pod, or its address.' }),
  blobs: Count.meta({ description: 'Blobs of the image that it has, as was read back.' }),
  bytes: Bytes.meta({ description: 'Bytes of these.' }),
  reason: z.string().max(64).optional().meta({ description: 'Why it does not have all of them, CamelCase.' }),
});
export type WarmSeed = z.infer<typeof WarmSeed>;

export const WarmImage = z.object({
  image: z.string().max(1200).meta({ description: 'The reference that new Pods will run.' }),
  digest: Digest.meta({ description: 'Digest of the manifest of the platform.' }),
  platform: Platform,
  state: z.enum(['Pending', 'Warming', 'Warm', 'NotWarm']).meta({ description: 'How far it is.' }),
  blobs: z
    .object({
      total: Count.meta({ description: 'Blobs that a new Pod reads.' }),
      warm: Count.meta({ description: 'Blobs that were read back from every seed peer that is to have them.' }),
    })
    .meta({ description: 'How many of its blobs are warm.' }),
  bytes: Bytes.meta({ description: 'Bytes of all its blobs.' }),
  seeds: z.array(WarmSeed).max(NAMED_SEEDS).optional().meta({
    description: 'What each seed peer has of it; of many, the first 32, those that lack something before the others.',
    'x-kubernetes-list-type': 'atomic',
  }),
  firstSeedAt: Time.optional().meta({
    description: 'While it is Warming: when one seed peer had all its blobs, so that Pods that were held go on.',
  }),
  verifiedAt: Time.optional().meta({ description: 'When all its blobs were last read back from the seed peers.' }),
  reason: z.string().max(64).optional().meta({ description: 'Why it is not warm, CamelCase.' }),
  message: z.string().max(1024).optional().meta({ description: 'The same for a person.' }),
});
export type WarmImage = z.infer<typeof WarmImage>;

/** The triggers that can decide to warm. */
export const TRIGGERS = ['Autoscaler', 'Schedule', 'Forecast', 'NewVersion', 'NewNode'] as const;

export const Decision = z.object({
  trigger: z.enum(TRIGGERS).meta({ description: 'The trigger that saw it first.' }),
  reason: z.string().max(64).meta({ description: 'Which signal of the trigger it was.' }),
  message: z.string().max(1024).meta({ description: 'The same for a person, with the figures.' }),
  at: Time.meta({ description: 'When it was decided.' }),
  expectedBy: Time.optional().meta({ description: 'When the scale-out is expected, if the trigger knows.' }),
  currentReplicas: Count.meta({ description: 'Replicas at that time.' }),
  expectedReplicas: Count.meta({ description: 'Replicas that the scale-out would lead to.' }),
  warmStartedAt: Time.optional().meta({ description: 'When the warm that followed was started.' }),
  warmVerifiedAt: Time.optional().meta({ description: 'When every blob was read back from the seed peers.' }),
  scaledAt: Time.optional().meta({ description: 'When the HorizontalPodAutoscaler scaled out after it.' }),
  leadTime: z
    .string()
    .max(32)
    .optional()
    .meta({ description: 'From warm verified to the scale-out; negative if it came too late.' }),
  notice: z
    .string()
    .max(32)
    .optional()
    .meta({ description: 'From the decision to the scale-out: how long a warm might have taken.' }),
  bytes: Bytes.optional().meta({ description: 'Bytes that the warm which followed brought to the seed peers.' }),
  bytesFound: Bytes.optional().meta({ description: 'Bytes that every seed peer had already.' }),
  outcome: z.enum(['Foreseen', 'TooLate', 'FalseAlarm', 'Prepared']).optional().meta({
    description:
      'Foreseen: a scale-out followed. TooLate: it was decided when the scale-out had begun. FalseAlarm: none followed in time. Prepared: for a new version or node, which foretell no scale-out.',
  }),
});
export type Decision = z.infer<typeof Decision>;

export const Evidence = z.object({
  since: Time.meta({ description: 'When counting began.' }),
  scaleOuts: Count.meta({ description: 'Scale-outs; steps that follow one another closely count once.' }),
  warmedBefore: Count.meta({ description: 'Scale-outs whose images were verified warm before them.' }),
  foreseen: Count.meta({ description: 'Decisions that a scale-out followed.' }),
  falseAlarms: Count.meta({ description: 'Decisions that none followed in time.' }),
  wastedBytes: Bytes.meta({ description: 'Bytes that were warmed for false alarms.' }),
  leadTimeP50: z.string().max(32).optional().meta({ description: 'Median lead of the kept decisions.' }),
  leadTimeP10: z
    .string()
    .max(32)
    .optional()
    .meta({ description: 'Lead that nine of ten of the kept decisions reached.' }),
  noticeP50: z.string().max(32).optional().meta({ description: 'Median notice of the kept decisions.' }),
});
export type Evidence = z.infer<typeof Evidence>;

export const PrefetchPolicyStatus = z
  .object({
    observedGeneration: z
      .int()
      .min(0)
      .optional()
      .meta({ format: 'int64', description: 'The generation that was last reconciled.' }),
    horizontalPodAutoscaler: z.string().max(253).optional().meta({ description: 'The autoscaler that is watched.' }),
    target: z.string().max(320).optional().meta({ description: 'Kind/name of the workload.' }),
    replicas: z.string().max(24).optional().meta({ description: 'Replicas now→expected, for the printer column.' }),
    decision: Decision.optional().meta({ description: 'The newest decision to warm.' }),
    history: z.array(Decision).max(20).optional().meta({
      description: 'The decisions before it, newest first.',
      'x-kubernetes-list-type': 'atomic',
    }),
    evidence: Evidence.optional().meta({ description: 'How good the decisions were since the policy was made.' }),
    images: z.array(WarmImage).max(16).optional().meta({
      description: 'The images that new Pods of the target would run, per platform.',
      'x-kubernetes-list-type': 'atomic',
    }),
    warm: z.string().max(24).optional().meta({ description: 'Warm blobs of all, for the printer column.' }),
    lastWarmAt: Time.optional().meta({ description: 'When the newest warm was verified.' }),
    conditions: Conditions.optional(),
  })
  .meta({ description: 'The observed state, written by the operator only.' });
export type PrefetchPolicyStatus = z.infer<typeof PrefetchPolicyStatus>;

export const PrefetchPolicy = z
  .object({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('PrefetchPolicy'),
    metadata: ObjectMeta,
    spec: PrefetchPolicySpec,
    status: PrefetchPolicyStatus.optional(),
  })
  .meta({
    description:
      'A PrefetchPolicy warms the Dragonfly seed peers with the blobs that the next Pods of a workload will read, before its HorizontalPodAutoscaler scales it out, and proves that they are warm.',
  });
export type PrefetchPolicy = z.infer<typeof PrefetchPolicy>;
