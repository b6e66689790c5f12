import { formatBytes } from '../api/v1alpha1/bytes.ts';

/** What an image may be at most; what is absent has no bound. */
export interface Budget {
  readonly size?: number | undefined;
  readonly wastedBytes?: number | undefined;
  readonly layers?: number | undefined;
}

/** What is held against a budget. Bytes are not compressed. */
export interface Measured {
  readonly size: number;
  readonly wastedBytes: number;
  readonly layers: number;
}

/** One bound that an image is beyond. */
export interface Excess {
  readonly what: keyof Measured;
  readonly is: number;
  readonly most: number;
}

/** The bounds of a budget that an image is beyond. */
export function excesses(measured: Measured, budget: Budget): Excess[] {
  return (['size', 'wastedBytes', 'layers'] as const).flatMap((what) => {
    const most = budget[what];
    return most === undefined || measured[what] <= most ? [] : [{ what, is: measured[what], most }];
  });
}

/** One bound that an image is beyond, for a person. */
export function describeExcess({ what, is, most }: Excess): string {
  switch (what) {
    case 'size':
      return `its files are ${formatBytes(is)}, ${formatBytes(most)} are allowed`;
    case 'wastedBytes':
      return `it wastes ${formatBytes(is)}, ${formatBytes(most)} are allowed`;
    case 'layers':
      return `it has ${is} layers, ${most} are allowed`;
  }
}
