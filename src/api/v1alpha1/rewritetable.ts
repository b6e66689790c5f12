import { z } from 'zod';
import { API_VERSION } from './group.ts';
import { ImageReference, ObjectMeta, ObjectName, Time } from './meta.ts';

/** Name of the one table of a namespace: the binding of the policy finds it by this name. */
export const REWRITE_TABLE = 'rewrites';

/** Images of one table: the object stays under the 1.5 MiB that etcd takes. */
export const MAX_TABLE_IMAGES = 2000;

/** Namespaces with an AcceleratedImage of their own that one entry may name. */
export const MAX_EXCEPTIONS = 1000;

/** Labels of nodes, and the nodeSelector that names them. */
const NodeSelector = z.record(z.string().max(316), z.string().max(63));

/** What Pods may have that an entry is not for: without it, admission would rewrite them. */
export const Restriction = z.enum(['Tolerations', 'Claims']);
export type Restriction = z.infer<typeof Restriction>;

export const RewriteTableEntry = z.object({
  image: z
    .string()
    .max(1200)
    .regex(/^[^@]+@sha256:[0-9a-f]{64}$/)
    .meta({ description: 'The artifact: repository:tag@digest.' }),
  validUntil: Time.meta({ description: 'From when on the entry no longer counts.' }),
  pullSecret: ObjectName.optional().meta({ description: 'Secret of the namespace that can pull the artifact.' }),
  exceptNamespaces: z.array(ObjectName).max(MAX_EXCEPTIONS).optional().meta({
    description: 'Namespaces whose own AcceleratedImages name the image, and so decide.',
    'x-kubernetes-list-type': 'atomic',
  }),
  notFor: z.array(Restriction).max(2).optional().meta({
    description: 'Pods that it is not for: those with tolerations, or with PersistentVolumeClaims.',
    'x-kubernetes-list-type': 'atomic',
  }),
});
export type RewriteTableEntry = z.infer<typeof RewriteTableEntry>;

export const RewriteTableSpec = z
  .object({
    images: z.record(ImageReference, RewriteTableEntry).meta({
      maxProperties: MAX_TABLE_IMAGES,
      description: 'Image as registry/repository:tag or registry/repository@digest, and what Pods run in its place.',
      'x-kubernetes-map-type': 'atomic',
    }),
    ownerKinds: z.array(z.string().max(316)).max(256).meta({
      description: 'Kinds of Pod owners, as Kind.group, that do not mind a changed image.',
      'x-kubernetes-list-type': 'atomic',
    }),
    runtimeClass: z
      .object({
        name: ObjectName.meta({ description: 'Name of the RuntimeClass.' }),
        handler: z.string().max(63).meta({ description: 'Its handler.' }),
        nodeSelector: NodeSelector.meta({ maxProperties: 64, description: 'What it selects nodes by.' }),
      })
      .optional()
      .meta({ description: 'RuntimeClass of rewritten Pods. None where Nydus is the default snapshotter.' }),
  })
  .meta({ description: 'What the API server rewrites.' });
export type RewriteTableSpec = z.infer<typeof RewriteTableSpec>;

export const RewriteTable = z
  .object({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('RewriteTable'),
    metadata: ObjectMeta,
    spec: RewriteTableSpec,
  })
  .meta({
    description:
      "A RewriteTable is the parameter of the MutatingAdmissionPolicy that rewrites the Pods of its namespace, or, in the operator's namespace, of every namespace. The operator writes it; a change by anybody else is undone.",
  });
export type RewriteTable = z.infer<typeof RewriteTable>;
