/** Why a Pod is not held, or not any longer: the word on counters and Events. */
export const ReleaseReason = {
  /** One seed peer at least has every blob of its images. */
  Warm: 'Warm',
  /** The warm failed, or was given up. */
  WarmFailed: 'WarmFailed',
  /** No policy asks for it (any more): there is none, or it was deleted, suspended, changed or not looked at since. */
  NotAsked: 'NotAsked',
  /** Nothing is being warmed for it, and no scale-out is near. */
  NotExpected: 'NotExpected',
  /** It has waited as long as it may. */
  HoldTimedOut: 'HoldTimedOut',
} as const;
export type ReleaseReason = (typeof ReleaseReason)[keyof typeof ReleaseReason];
