import type { SIGNED, SOURCE_VERIFIED } from '../../api/v1alpha1/conditions.ts';
import { removeCondition, setCondition } from '../../runtime/conditions.ts';
import type { Dependencies, Pass } from './pass.ts';

type TrustCondition = typeof SIGNED | typeof SOURCE_VERIFIED;

const MESSAGE_MAX = 1024;

/** Sets a condition of what is signed; without a reason it is taken away. */
export function setTrust(
  { image, status }: Pass,
  { clock }: Dependencies,
  type: TrustCondition,
  is?: { status: 'True' | 'False'; reason: string; message: string },
): void {
  const conditions = status.conditions ?? [];
  status.conditions =
    is === undefined
      ? removeCondition(conditions, type)
      : setCondition(
          conditions,
          { type, ...is, message: is.message.slice(0, MESSAGE_MAX) },
          { generation: image.metadata.generation, now: clock.now() },
        );
}
