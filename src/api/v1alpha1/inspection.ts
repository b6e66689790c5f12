import { z } from 'zod';
import { Bytes, Count, Platform } from './meta.ts';

/** Bytes as a Kubernetes quantity. */
const Quantity = z
  .string()
  .max(32)
  .regex(/^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$/);

/** `spec.inspection` of an AcceleratedImage. */
export const InspectionSpec = z.object({
  budget: z
    .object({
      size: Quantity.optional().meta({ description: 'Most bytes of the files of all layers, not compressed.' }),
      wastedBytes: Quantity.optional().meta({
        description: 'Most bytes of files that layers above delete or overwrite, not compressed.',
      }),
      layers: z.int().min(1).max(1000).optional().meta({ format: 'int32', description: 'Most layers.' }),
    })
    .optional()
    .meta({
      description:
        'What the image may be at most. Beyond it the condition WithinBudget is False; nothing else depends on that.',
    }),
});

/** Findings that a status lists. */
export const LISTED_FINDINGS = 10;

/** Longest message and command of a finding there, in characters. */
export const FINDING_TEXT = { message: 256, command: 120 };

/** `status.inspection` of an AcceleratedImage; the result of a conversion and the artifact itself carry the same. */
export const InspectionStatus = z.object({
  platform: Platform.meta({ description: 'The platform that was inspected: of several, the one with the most bytes.' }),
  size: Bytes.meta({ description: 'Bytes of the files of all layers, not compressed.' }),
  layers: Count.meta({ description: 'Number of layers.' }),
  wastedBytes: Bytes.meta({ description: 'Bytes of files that layers above delete or overwrite.' }),
  efficiency: z.string().max(8).meta({
    description: 'Bytes that would do for all paths, over those that all layers have for them, 0 to 1, as dive has it.',
  }),
  findings: z
    .array(
      z.object({
        code: z.string().max(64).meta({ description: 'What it is, see docs/inspection.md.' }),
        severity: z.enum(['Warning', 'Info']).meta({ description: 'How much it matters.' }),
        message: z.string().max(FINDING_TEXT.message).meta({ description: 'The same for a person.' }),
        bytes: Bytes.meta({ description: 'Bytes of the files that it is about.' }),
        layer: Count.optional().meta({
          description: 'Number of its layer, 1 for the lowest; absent: the whole image.',
        }),
        command: z.string().max(FINDING_TEXT.command).optional().meta({ description: 'What made that layer.' }),
      }),
    )
    .max(LISTED_FINDINGS)
    .meta({ description: 'The gravest findings first, and of these the biggest.', 'x-kubernetes-list-type': 'atomic' }),
  moreFindings: Count.optional().meta({ description: 'Findings that are not listed; slipstream inspect shows them.' }),
});
export type InspectionStatus = z.infer<typeof InspectionStatus>;
