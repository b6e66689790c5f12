import type { AcceleratedImage, AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { formatBytes } from '../../api/v1alpha1/bytes.ts';
import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { Condition } from '../../api/v1alpha1/meta.ts';
import { parseQuantity } from '../../autoscaling/quantity.ts';
import { describeExcess, excesses } from '../../inspection/budget.ts';

/** How the image stands to its budget, as the condition WithinBudget; undefined where it has none. */
export function withinBudget(
  { spec }: AcceleratedImage,
  { inspection }: AcceleratedImageStatus,
): Pick<Condition, 'status' | 'reason' | 'message'> | undefined {
  const budget = spec.inspection?.budget;
  if (budget === undefined) {
    return undefined;
  }
  if (inspection === undefined) {
    const message = `the artifact says nothing of what is in the image; see slipstream inspect ${spec.source.image}`;
    return { status: 'Unknown', reason: Reason.NotInspected, message };
  }
  const beyond = excesses(inspection, {
    size: budget.size === undefined ? undefined : parseQuantity(budget.size),
    wastedBytes: budget.wastedBytes === undefined ? undefined : parseQuantity(budget.wastedBytes),
    layers: budget.layers,
  });
  if (beyond.length > 0) {
    return { status: 'False', reason: Reason.BudgetExceeded, message: beyond.map(describeExcess).join('; ') };
  }
  const { size, wastedBytes, layers } = inspection;
  const message = `${formatBytes(size)} in ${layers} layers, ${formatBytes(wastedBytes)} of it wasted`;
  return { status: 'True', reason: Reason.WithinBudget, message };
}
