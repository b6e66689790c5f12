import { parseQuantity } from '../autoscaling/quantity.ts';
import type { Budget } from '../inspection/budget.ts';
import { InvalidReferenceError, parseReference, type Reference } from '../registry/reference.ts';
import { UsageError } from './warm-options.ts';

/** Flags of the `inspect` command, as they were typed. */
export interface InspectFlags {
  readonly platform?: string | undefined;
  readonly budgetSize?: string | undefined;
  readonly budgetWastedBytes?: string | undefined;
  readonly budgetLayers?: string | undefined;
  /** Speaks HTTP to the image's registry. */
  readonly plainHttp: boolean;
  readonly output: 'table' | 'json';
}

/** What the flags say, checked. */
export interface InspectOptions {
  readonly reference: Reference;
  readonly budget: Budget;
}

/**
 * Checks what was typed, as far as that needs nothing else.
 * @throws UsageError
 */
export function readInspectFlags(image: string, flags: InspectFlags): InspectOptions {
  const { platform, budgetSize, budgetWastedBytes, budgetLayers } = flags;
  if (platform !== undefined && !/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9]+)?$/.test(platform)) {
    throw new UsageError(`--platform ${platform} is no platform: give os/architecture, such as linux/arm64`);
  }
  if (budgetLayers !== undefined && !/^[1-9][0-9]{0,8}$/.test(budgetLayers)) {
    throw new UsageError(`--budget-layers ${budgetLayers} is no number of layers`);
  }
  const budget = {
    size: bytesOf('--budget-size', budgetSize),
    wastedBytes: bytesOf('--budget-wasted-bytes', budgetWastedBytes),
    layers: budgetLayers === undefined ? undefined : Number(budgetLayers),
  };
  try {
    return { reference: parseReference(image), budget };
  } catch (error) {
    throw error instanceof InvalidReferenceError ? new UsageError(error.message, { cause: error }) : error;
  }
}

function bytesOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) {
    return undefined;
  }
  const bytes = parseQuantity(text);
  if (!Number.isFinite(bytes) || bytes < 0) {
    throw new UsageError(`${flag} ${text} is no number of bytes: give one such as 500Mi or 2G`);
  }
  return bytes;
}
