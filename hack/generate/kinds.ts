import { z } from 'zod';
import {
  AcceleratedImage,
  AcceleratedImageSpec,
  AcceleratedImageStatus,
} from '../../src/api/v1alpha1/acceleratedimage.ts';
import { GROUP, VERSION } from '../../src/api/v1alpha1/group.ts';
import { RewriteTable, RewriteTableSpec } from '../../src/api/v1alpha1/rewritetable.ts';
import { PrefetchPolicy, PrefetchPolicySpec, PrefetchPolicyStatus } from '../../src/api/v1alpha1/prefetchpolicy.ts';
import { type Structural, toStructural } from './structural.ts';

/** A column of `kubectl get`; one of priority 1 is shown with `-o wide` only. */
export interface PrinterColumn {
  name: string;
  type: 'string' | 'integer' | 'date';
  description: string;
  jsonPath: string;
  priority?: 1;
}

/** What the CustomResourceDefinition of any kind says beside its schema. */
export interface InternalKind {
  kind: string;
  plural: string;
  singular: string;
  description: string;
  spec: Structural;
  columns: PrinterColumn[];
}

/** A kind that people write. */
export interface Kind extends InternalKind {
  shortName: string;
  status: Structural;
}

const AGE: PrinterColumn = {
  name: 'Age',
  type: 'date',
  description: 'When the object was made.',
  jsonPath: '.metadata.creationTimestamp',
};

function ofReady(name: string, field: 'status' | 'reason' | 'message', description: string): PrinterColumn {
  return { name, type: 'string', description, jsonPath: `.status.conditions[?(@.type=="Ready")].${field}` };
}

function wide(column: PrinterColumn): PrinterColumn {
  return { ...column, priority: 1 };
}

const READY = ofReady('Ready', 'status', 'Whether the object does what it is for.');
const MESSAGE = wide(ofReady('Message', 'message', 'The reason for a person: what happened, to what, what to do.'));

/** Every kind of the group that people write, as the generators see it. */
export const kinds: Kind[] = [
  {
    kind: 'AcceleratedImage',
    plural: 'acceleratedimages',
    singular: 'acceleratedimage',
    shortName: 'ai',
    description: describe(AcceleratedImage),
    spec: schemaOf(AcceleratedImageSpec, 'spec'),
    status: schemaOf(AcceleratedImageStatus, 'status'),
    columns: [
      { name: 'Source', type: 'string', description: 'The image as Pods name it.', jsonPath: '.spec.source.image' },
      READY,
      ofReady('Reason', 'reason', 'Why it is ready or not.'),
      { name: 'Size', type: 'string', description: 'Size of the source.', jsonPath: '.status.summary.size' },
      { name: 'Nydus', type: 'string', description: 'Size of the artifact.', jsonPath: '.status.summary.nydus' },
      {
        name: 'Dedup',
        type: 'string',
        description: 'Share of the chunks of the newest conversion that was there already.',
        jsonPath: '.status.summary.dedup',
      },
      {
        name: 'Took',
        type: 'string',
        description: 'How long the newest conversion took.',
        jsonPath: '.status.summary.took',
      },
      wide({
        name: 'Copies',
        type: 'string',
        description: 'Copies for regions that are Ready, of all.',
        jsonPath: '.status.summary.copies',
      }),
      wide({
        name: 'Efficiency',
        type: 'string',
        description: 'Share of the bytes of the source that its layers do not waste, 0 to 1.',
        jsonPath: '.status.inspection.efficiency',
      }),
      wide({
        name: 'Digest',
        type: 'string',
        description: 'Digest of the artifact.',
        jsonPath: '.status.artifact.digest',
      }),
      wide({
        name: 'Progress',
        type: 'integer',
        description: 'Share of the running conversion that is done, 0 to 100.',
        jsonPath: '.status.conversion.progress.percent',
      }),
      MESSAGE,
      AGE,
    ],
  },
  {
    kind: 'PrefetchPolicy',
    plural: 'prefetchpolicies',
    singular: 'prefetchpolicy',
    shortName: 'pfp',
    description: describe(PrefetchPolicy),
    spec: schemaOf(PrefetchPolicySpec, 'spec'),
    status: schemaOf(PrefetchPolicyStatus, 'status'),
    columns: [
      { name: 'Target', type: 'string', description: 'Kind/name of the workload.', jsonPath: '.status.target' },
      { name: 'Replicas', type: 'string', description: 'Replicas now→expected.', jsonPath: '.status.replicas' },
      { name: 'Warm', type: 'string', description: 'Warm blobs of all.', jsonPath: '.status.warm' },
      {
        name: 'Trigger',
        type: 'string',
        description: 'What saw the newest scale-out come.',
        jsonPath: '.status.decision.trigger',
      },
      {
        name: 'Lead',
        type: 'string',
        description: 'How long before the newest scale-out the blobs were warm.',
        jsonPath: '.status.decision.leadTime',
      },
      {
        name: 'Verified',
        type: 'date',
        description: 'When every blob was last read back from the seed peers.',
        jsonPath: '.status.lastWarmAt',
      },
      wide(READY),
      MESSAGE,
      AGE,
    ],
  },
];

/** Kinds that the operator writes for the API server: they stand in no reference and in no category. */
export const internalKinds: InternalKind[] = [
  {
    kind: 'RewriteTable',
    plural: 'rewritetables',
    singular: 'rewritetable',
    description: describe(RewriteTable),
    spec: schemaOf(RewriteTableSpec, 'spec'),
    columns: [AGE],
  },
];

/** The whole CustomResourceDefinition of a kind. */
export function customResourceDefinition(kind: Kind | InternalKind): object {
  const forPeople = 'shortName' in kind ? { shortNames: [kind.shortName], categories: ['slipstream'] } : {};
  const status = 'status' in kind ? { status: kind.status } : {};
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${GROUP}` },
    spec: {
      group: GROUP,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.singular,
        ...forPeople,
      },
      scope: 'Namespaced',
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          ...('status' in kind ? { subresources: { status: {} } } : {}),
          additionalPrinterColumns: kind.columns,
          schema: {
            openAPIV3Schema: {
              description: kind.description,
              type: 'object',
              required: ['spec'],
              properties: {
                apiVersion: { description: `Always ${GROUP}/${VERSION}.`, type: 'string' },
                kind: { description: `Always ${kind.kind}.`, type: 'string' },
                metadata: { type: 'object' },
                spec: kind.spec,
                ...status,
              },
            },
          },
        },
      ],
    },
  };
}

function schemaOf(schema: z.ZodType, path: string): Structural {
  return toStructural(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }), path);
}

function describe(schema: z.ZodType): string {
  const description = schema.meta()?.description;
  if (description === undefined) throw new Error('every kind needs a description in its .meta()');
  return description;
}
