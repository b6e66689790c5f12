import { z } from 'zod';

/** Parts of metav1.ObjectMeta that Slipstream reads; the rest is kept as it came. */
export const ObjectMeta = z.looseObject({
  name: z.string(),
  namespace: z.string(),
  uid: z.string(),
  resourceVersion: z.string(),
  generation: z.int(),
  creationTimestamp: z.string(),
  deletionTimestamp: z.string().optional(),
  finalizers: z.array(z.string()).optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type ObjectMeta = z.infer<typeof ObjectMeta>;

/** metav1.Condition, KEP-1623. */
export const Condition = z.object({
  type: z
    .string()
    .max(316)
    .regex(/^[A-Za-z][A-Za-z0-9]*$/)
    .meta({ description: 'Type of the condition, CamelCase.' }),
  status: z.enum(['True', 'False', 'Unknown']).meta({ description: 'Status of the condition.' }),
  reason: z
    .string()
    .min(1)
    .max(1024)
    .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
    .meta({ description: 'The fact behind the last transition, CamelCase.' }),
  message: z.string().max(32768).meta({ description: 'The same for a person: what happened, to what, what to do.' }),
  lastTransitionTime: z.string().meta({ format: 'date-time', description: 'When the status last changed.' }),
  observedGeneration: z
    .int()
    .min(0)
    .optional()
    .meta({ format: 'int64', description: 'The generation the condition was set for.' }),
});
export type Condition = z.infer<typeof Condition>;

export const Conditions = z
  .array(Condition)
  .max(16)
  .meta({
    description: 'Ready sums up; Reconciling and Stalled are there only while True (kstatus).',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['type'],
  });

/** A Go duration such as `5m` or `1h30m`. */
export const Duration = z
  .string()
  .max(32)
  .regex(/^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/);

/**
 * A Duration that the API server keeps within bounds, both included. The upper bound also refuses what the pattern lets
 * through and no clock can count, such as `99999999999h`.
 */
export function durationBetween(field: string, least: string, most: string): typeof Duration {
  return Duration.meta({
    'x-kubernetes-validations': [
      {
        rule: `duration(self) >= duration('${least}') && duration(self) <= duration('${most}')`,
        message: `${field} must be between ${least} and ${most}`,
      },
    ],
  });
}

/** A time in RFC 3339, as Kubernetes writes it. */
export const Time = z.string().meta({ format: 'date-time' });

/** A content digest of the OCI Image specification; sha256 is the only algorithm that registries and containerd share. */
export const Digest = z
  .string()
  .max(71)
  .regex(/^sha256:[0-9a-f]{64}$/);

/** `os/architecture[/variant]`, as in OCI Image indexes. */
export const Platform = z
  .string()
  .max(64)
  .regex(/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9]+)?$/)
  .meta({ description: 'Operating system and architecture, such as linux/amd64 or linux/arm64/v8.' });

/** An image reference at the door: characters only. The grammar itself is checked by the controller, which can say more. */
export const ImageReference = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^[A-Za-z0-9[][A-Za-z0-9._:/@[\]-]*$/);

/** The name of most objects: a DNS subdomain, RFC 1123. */
export const ObjectName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);

export const LocalObjectReference = z.object({
  name: ObjectName.meta({ description: 'Name of an object in the same namespace.' }),
});
export type LocalObjectReference = z.infer<typeof LocalObjectReference>;

/** A count of bytes. */
export const Bytes = z.int().min(0).meta({ format: 'int64' });

/** A count of things, such as layers or replicas. */
export const Count = z.int().min(0).meta({ format: 'int32' });
