/** A JSON merge patch of a spec. */
export type SpecPatch = Readonly<Record<string, unknown>>;

/** One rule of a CRD: what it refuses, in which words, and the nearest thing that it lets through. */
export interface Rule {
  name: string;
  refused: SpecPatch;
  /** The whole text after "is invalid: ". */
  message: string;
  accepted: SpecPatch;
}

const NAME = String.raw`'^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'`;
const DURATION = String.raw`'^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$'`;
const REFERENCE = String.raw`'^[A-Za-z0-9[][A-Za-z0-9._:/@[\]-]*$'`;
const QUANTITY = String.raw`'^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$'`;

const PEM = String.raw`'^-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]+-----END PUBLIC KEY-----\n?$'`;
const PUBLIC_KEY = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n';

/** A spec that every rule accepts; the patches of the table are laid over it. */
export const acceleratedImageSpec: SpecPatch = { source: { image: 'registry.test/web:1' } };

export const acceleratedImageRules: Rule[] = [
  {
    name: 'a budget of bytes is a quantity',
    refused: { inspection: { budget: { size: '500 MB' } } },
    message:
      'spec.inspection.budget.size: Invalid value: "500 MB": spec.inspection.budget.size in body should match \'^[0-9]+(\\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$\'',
    accepted: { inspection: { budget: { size: '1.5Gi', wastedBytes: '0', layers: 1 } } },
  },
  {
    name: 'a budget leaves room for a layer',
    refused: { inspection: { budget: { layers: 0 } } },
    message:
      'spec.inspection.budget.layers: Invalid value: 0: spec.inspection.budget.layers in body should be greater than or equal to 1',
    accepted: { inspection: {} },
  },
  {
    name: 'an image reference holds no spaces',
    refused: { source: { image: 'web 1' } },
    message: `spec.source.image: Invalid value: "web 1": spec.source.image in body should match ${REFERENCE}`,
    accepted: { source: { image: '[2001:db8::1]:5000/web@sha256:0' } },
  },
  {
    name: 'an interval is not shorter than ten seconds',
    refused: { source: { interval: '9s' } },
    message: 'spec.source.interval: Invalid value: "9s": interval must be between 10s and 168h',
    accepted: { source: { interval: '10s' } },
  },
  {
    name: 'an interval is not longer than a week',
    refused: { source: { interval: '168h1s' } },
    message: 'spec.source.interval: Invalid value: "168h1s": interval must be between 10s and 168h',
    accepted: { source: { interval: '168h' } },
  },
  {
    name: 'a duration is written as Go writes it',
    refused: { source: { interval: '1d' } },
    message: `spec.source.interval: Invalid value: "1d": spec.source.interval in body should match ${DURATION}, spec.source.interval: Invalid value: "string": type conversion error from 'string' to 'google.protobuf.Duration' evaluating rule: interval must be between 10s and 168h`,
    accepted: { source: { interval: '1h30m' } },
  },
  {
    name: 'a Secret reference is a name that a Secret can have',
    refused: { source: { pullSecretRef: { name: 'Reg_Cred' } } },
    message: `spec.source.pullSecretRef.name: Invalid value: "Reg_Cred": spec.source.pullSecretRef.name in body should match ${NAME}`,
    accepted: { source: { pullSecretRef: { name: 'reg.cred-1' } } },
  },
  {
    name: 'not more than twenty older artifacts are kept',
    refused: { history: { keep: 21 } },
    message: 'spec.history.keep: Invalid value: 21: spec.history.keep in body should be less than or equal to 20',
    accepted: { history: { keep: 20 } },
  },
  {
    name: 'older artifacts are kept or not, and never fewer than none',
    refused: { history: { keep: -1 } },
    message: 'spec.history.keep: Invalid value: -1: spec.history.keep in body should be greater than or equal to 0',
    accepted: { history: { keep: 0 } },
  },
  {
    name: 'tags are retained or deleted with the object',
    refused: { deletionPolicy: 'Orphan' },
    message: 'spec.deletionPolicy: Unsupported value: "Orphan": supported values: "Retain", "Delete"',
    accepted: { deletionPolicy: 'Delete' },
  },
  {
    name: 'a source is verified by at least one key',
    refused: { source: { verify: { publicKeys: [] } } },
    message:
      'spec.source.verify.publicKeys: Invalid value: 0: spec.source.verify.publicKeys in body should have at least 1 items',
    accepted: { source: { verify: { publicKeys: [PUBLIC_KEY] } } },
  },
  {
    name: 'a key that verifies is a public one, in PEM',
    refused: { source: { verify: { publicKeys: ['sha256:0'] } } },
    message: `spec.source.verify.publicKeys[0]: Invalid value: "sha256:0": spec.source.verify.publicKeys[0] in body should match ${PEM}`,
    accepted: { source: { verify: { publicKeys: [PUBLIC_KEY] } } },
  },
  {
    name: 'a chunk dictionary is an image or the previous version, not both',
    refused: { conversion: { chunkDictionary: { image: 'registry.test/base:1', from: 'PreviousVersion' } } },
    message: 'spec.conversion.chunkDictionary: Invalid value: chunkDictionary must have exactly one of image and from',
    accepted: { conversion: { chunkDictionary: { from: 'PreviousVersion' } } },
  },
  {
    name: 'a chunk dictionary is not used where no chunks are stored',
    refused: { conversion: { format: 'Zran', chunkDictionary: { from: 'PreviousVersion' } } },
    message:
      'spec.conversion: Invalid value: chunkDictionary cannot be used with the format Zran, which stores no chunks',
    accepted: { conversion: { format: 'Zran' } },
  },
  {
    name: 'what whoever builds an artifact decides is not asked of an adopted one',
    refused: { conversion: { mode: 'Adopt', compressor: 'none' } },
    message:
      'spec.conversion: Invalid value: format, compressor, chunkDictionary and prefetchPaths have no effect in the mode Adopt: whoever builds the artifact decides them',
    accepted: { conversion: { mode: 'Adopt', timeout: '10m' } },
  },
  {
    name: 'an adopted artifact has no list of files to prefetch',
    refused: { conversion: { mode: 'Adopt', prefetchPaths: ['/bin/sh'] } },
    message:
      'spec.conversion: Invalid value: format, compressor, chunkDictionary and prefetchPaths have no effect in the mode Adopt: whoever builds the artifact decides them',
    accepted: { conversion: { mode: 'Convert', prefetchPaths: ['/bin/sh'] } },
  },
  {
    name: 'a mode is one that there is',
    refused: { conversion: { mode: 'Guess' } },
    message: 'spec.conversion.mode: Unsupported value: "Guess": supported values: "Convert", "Adopt"',
    accepted: { conversion: { mode: 'Adopt' } },
  },
  {
    name: 'a target repository has no digest',
    refused: { target: { repository: 'registry.test/web@sha256' } },
    message: 'spec.target.repository: Invalid value: "registry.test/web@sha256": repository must not carry a digest',
    accepted: { target: { repository: 'registry.test/web' } },
  },
  {
    name: 'a target repository has no tag',
    refused: { target: { repository: 'registry.test:5000/web:1' } },
    message: 'spec.target.repository: Invalid value: "registry.test:5000/web:1": repository must not carry a tag',
    accepted: { target: { repository: 'registry.test:5000/web' } },
  },
  {
    name: 'a tag suffix holds only what a tag may',
    refused: { target: { tagSuffix: '+nydus' } },
    message:
      'spec.target.tagSuffix: Invalid value: "+nydus": spec.target.tagSuffix in body should match \'^[A-Za-z0-9._-]+$\'',
    accepted: { target: { tagSuffix: '_nydus' } },
  },
  {
    name: 'a format is one that can be made',
    refused: { conversion: { format: 'Squashfs' } },
    message: 'spec.conversion.format: Unsupported value: "Squashfs": supported values: "RafsV6", "RafsV5", "Zran"',
    accepted: { conversion: { format: 'RafsV5' } },
  },
  {
    name: 'a platform has an architecture',
    refused: { conversion: { platforms: ['linux'] } },
    message: String.raw`spec.conversion.platforms[0]: Invalid value: "linux": spec.conversion.platforms[0] in body should match '^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9]+)?$'`,
    accepted: { conversion: { platforms: ['linux/arm64/v8', 'linux/amd64'] } },
  },
  {
    name: 'a platform is named once',
    refused: { conversion: { platforms: ['linux/amd64', 'linux/amd64'] } },
    message: 'spec.conversion.platforms[1]: Duplicate value: "linux/amd64"',
    accepted: { conversion: { platforms: ['linux/amd64'] } },
  },
  {
    name: 'a list of platforms names one at least',
    refused: { conversion: { platforms: [] } },
    message:
      'spec.conversion.platforms: Invalid value: 0: spec.conversion.platforms in body should have at least 1 items',
    accepted: { conversion: { platforms: ['linux/amd64'] } },
  },
  {
    name: 'a prefetch path is absolute',
    refused: { conversion: { prefetchPaths: ['usr/bin/python3'] } },
    message: String.raw`spec.conversion.prefetchPaths[0]: Invalid value: "usr/bin/python3": spec.conversion.prefetchPaths[0] in body should match '^\/'`,
    accepted: { conversion: { prefetchPaths: ['/usr/bin/python3'] } },
  },
  {
    name: 'the root is no prefetch path: it would be the whole image',
    refused: { conversion: { prefetchPaths: ['/'] } },
    message:
      'spec.conversion.prefetchPaths[0]: Invalid value: "/": spec.conversion.prefetchPaths[0] in body should be at least 2 chars long',
    accepted: { conversion: { prefetchPaths: ['/a'] } },
  },
  {
    name: 'a resource is a quantity',
    refused: { conversion: { resources: { limits: { memory: '2 GB' } } } },
    message: `spec.conversion.resources.limits.memory: Invalid value: "2 GB": spec.conversion.resources.limits.memory in body should match ${QUANTITY}`,
    accepted: { conversion: { resources: { limits: { memory: '2Gi', cpu: 2 }, requests: { cpu: '100m' } } } },
  },
  {
    name: 'a node selector has values that labels can have',
    refused: { conversion: { nodeSelector: { zone: 'a b' } } },
    message:
      'spec.conversion.nodeSelector.zone: Invalid value: "a b": spec.conversion.nodeSelector.zone in body should match \'^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$\'',
    accepted: { conversion: { nodeSelector: { zone: '' } } },
  },
  {
    name: 'a toleration of every taint says Exists',
    refused: { conversion: { tolerations: [{ effect: 'NoSchedule' }] } },
    message: 'spec.conversion.tolerations[0]: Invalid value: operator must be Exists when key is empty',
    accepted: { conversion: { tolerations: [{ operator: 'Exists' }] } },
  },
  {
    name: 'a toleration that says Exists has no value',
    refused: { conversion: { tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] } },
    message: 'spec.conversion.tolerations[0]: Invalid value: value must be empty when operator is Exists',
    accepted: { conversion: { tolerations: [{ key: 'a', operator: 'Equal', value: 'b' }] } },
  },
  {
    name: 'a toleration with a time is of NoExecute',
    refused: { conversion: { tolerations: [{ key: 'a', tolerationSeconds: 5 }] } },
    message: 'spec.conversion.tolerations[0]: Invalid value: effect must be NoExecute when tolerationSeconds is set',
    accepted: { conversion: { tolerations: [{ key: 'a', effect: 'NoExecute', tolerationSeconds: 5 }] } },
  },
  {
    name: 'a backoff limit is at most ten',
    refused: { conversion: { backoffLimit: 11 } },
    message:
      'spec.conversion.backoffLimit: Invalid value: 11: spec.conversion.backoffLimit in body should be less than or equal to 10',
    accepted: { conversion: { backoffLimit: 0 } },
  },
  {
    name: 'a conversion may take a minute at least',
    refused: { conversion: { timeout: '59s' } },
    message: 'spec.conversion.timeout: Invalid value: "59s": timeout must be between 1m and 24h',
    accepted: { conversion: { timeout: '1m' } },
  },
  {
    name: 'a region is a value that the label of a node can have',
    refused: { replicas: [{ region: 'eu west', repository: 'registry.eu.test/web' }] },
    message:
      'spec.replicas[0].region: Invalid value: "eu west": spec.replicas[0].region in body should match \'^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$\'',
    accepted: { replicas: [{ region: 'eu-west_1.a', repository: 'registry.eu.test/web' }] },
  },
  {
    name: 'a region has one copy',
    refused: {
      replicas: ['a', 'b'].map((path) => ({ region: 'eu', repository: `registry.eu.test/${path}` })),
    },
    message: 'spec.replicas[1]: Duplicate value: {"region":"eu"}',
    accepted: { replicas: ['eu', 'us'].map((region) => ({ region, repository: 'registry.test/shared' })) },
  },
  {
    name: "a region's repository has no digest",
    refused: { replicas: [{ region: 'eu', repository: 'registry.eu.test/web@sha256' }] },
    message:
      'spec.replicas[0].repository: Invalid value: "registry.eu.test/web@sha256": repository must not carry a digest',
    accepted: { replicas: [{ region: 'eu', repository: 'registry.eu.test/web', source: true }] },
  },
  {
    name: "a region's repository has no tag",
    refused: { replicas: [{ region: 'eu', repository: 'registry.eu.test:5000/web:1' }] },
    message:
      'spec.replicas[0].repository: Invalid value: "registry.eu.test:5000/web:1": repository must not carry a tag',
    accepted: { replicas: [{ region: 'eu', repository: 'registry.eu.test:5000/web' }] },
  },
  {
    name: 'a rewrite policy is one of two',
    refused: { rewrite: { policy: 'Always' } },
    message: 'spec.rewrite.policy: Unsupported value: "Always": supported values: "WhenReady", "Never"',
    accepted: { rewrite: { policy: 'Never' } },
  },
];

/** A spec that every rule accepts; the patches of the table are laid over it. */
export const prefetchPolicySpec: SpecPatch = { horizontalPodAutoscalerRef: { name: 'web' } };

const web = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };

export const prefetchPolicyRules: Rule[] = [
  {
    name: 'a policy is not about two things',
    refused: { scaleTargetRef: web },
    message: 'spec: Invalid value: exactly one of scaleTargetRef and horizontalPodAutoscalerRef must be set',
    accepted: { scaleTargetRef: web, horizontalPodAutoscalerRef: null },
  },
  {
    name: 'a policy is about something',
    refused: { horizontalPodAutoscalerRef: null },
    message: 'spec: Invalid value: exactly one of scaleTargetRef and horizontalPodAutoscalerRef must be set',
    accepted: { horizontalPodAutoscalerRef: { name: 'other' } },
  },
  {
    name: 'a threshold is a share of the target',
    refused: { triggers: { autoscaler: { threshold: '1.1' } } },
    message: String.raw`spec.triggers.autoscaler.threshold: Invalid value: "1.1": spec.triggers.autoscaler.threshold in body should match '^(0(\.[0-9]{1,3})?|1(\.0{1,3})?)$'`,
    accepted: { triggers: { autoscaler: { threshold: '1.0' } } },
  },
  {
    name: 'a trend is not looked at further ahead than an hour',
    refused: { triggers: { autoscaler: { horizon: '61m' } } },
    message: 'spec.triggers.autoscaler.horizon: Invalid value: "61m": horizon must be between 0s and 1h',
    accepted: { triggers: { autoscaler: { horizon: '0s' } } },
  },
  {
    name: 'an image is named once',
    refused: { images: ['a', 'a'] },
    message: 'spec.images[1]: Duplicate value: "a"',
    accepted: { images: ['a', 'b'] },
  },
  {
    name: 'a warm may take a second at least',
    refused: { warm: { timeout: '999ms' } },
    message: 'spec.warm.timeout: Invalid value: "999ms": timeout must be between 1s and 1h',
    accepted: { warm: { timeout: '1s' } },
  },
  {
    name: 'a budget is a quantity of bytes',
    refused: { limits: { maxBytes: '20GB' } },
    message: String.raw`spec.limits.maxBytes: Invalid value: "20GB": spec.limits.maxBytes in body should match '^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$'`,
    accepted: { limits: { maxBytes: '1.5Ti' } },
  },
  {
    name: 'a cooldown ends within a day',
    refused: { limits: { cooldown: '25h' } },
    message: 'spec.limits.cooldown: Invalid value: "25h": cooldown must be between 0s and 24h',
    accepted: { limits: { cooldown: '0s' } },
  },
  {
    name: 'a Pod is held for a second at least',
    refused: { hold: { maxDuration: '900ms' } },
    message: 'spec.hold.maxDuration: Invalid value: "900ms": maxDuration must be between 1s and 5m',
    accepted: { hold: { maxDuration: '1s' } },
  },
  {
    name: 'a Pod is held for five minutes at most',
    refused: { hold: { maxDuration: '5m1s' } },
    message: 'spec.hold.maxDuration: Invalid value: "5m1s": maxDuration must be between 1s and 5m',
    accepted: { hold: { maxDuration: '5m' } },
  },
  {
    name: 'a hold says how long it is at most',
    refused: { hold: {} },
    message: 'spec.hold.maxDuration: Required value',
    accepted: { hold: null },
  },
  {
    name: 'a mode is one of two',
    refused: { mode: 'Off' },
    message: 'spec.mode: Unsupported value: "Off": supported values: "Warm", "DryRun"',
    accepted: { mode: 'DryRun' },
  },
  {
    name: 'a schedule looks ahead a day at most',
    refused: { triggers: { schedules: [{ cron: '0 8 * * *', lead: '25h' }] } },
    message: 'spec.triggers.schedules[0].lead: Invalid value: "25h": lead must be between 0s and 24h',
    accepted: { triggers: { schedules: [{ cron: '0 8 * * *', lead: '24h' }] } },
  },
  {
    name: 'a schedule asks for replicas',
    refused: { triggers: { schedules: [{ cron: '0 8 * * *', replicas: 0 }] } },
    message:
      'spec.triggers.schedules[0].replicas: Invalid value: 0: spec.triggers.schedules[0].replicas in body should be greater than or equal to 1',
    accepted: { triggers: { schedules: [{ cron: '0 8 * * *', replicas: 1 }] } },
  },
  {
    name: 'a forecast looks ahead a minute at least',
    refused: { triggers: { forecast: { prometheusQuery: 'vector(1)', horizon: '59s' } } },
    message: 'spec.triggers.forecast.horizon: Invalid value: "59s": horizon must be between 1m and 24h',
    accepted: { triggers: { forecast: { prometheusQuery: 'vector(1)', horizon: '1m' } } },
  },
];
