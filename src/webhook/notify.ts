import type { EventRecorder, EventType } from '../kube/events.ts';
import type { Budget } from '../kube/spam-filter.ts';
import type { KubeObject } from '../runtime/object.ts';
import { nameOf } from '../rewriting/check.ts';
import type { Decision } from '../rewriting/decide.ts';
import type { SkipReason } from '../rewriting/reasons.ts';
import { REMEDIES } from '../rewriting/remedies.ts';

/** Takes note of a decision about a new Pod of a namespace. Returns at once. */
export type Notify = (decision: Decision, namespace: string) => void;

/** `reportingController` and `action` of what admission tells. */
export const ADMISSION = { controller: 'slipstream.dev/webhook', action: 'Admit' } as const;

/** Events about admissions that a replica sends, however many Pods are created: a hundred at once, then one a second. */
export const ADMISSION_BUDGET: Budget = { burst: 100, refillMs: 1000 };

/** An Event on the controller that made a Pod: the Pod itself does not exist yet, and has no name. */
interface Note {
  readonly owner: KubeObject;
  readonly type: EventType;
  readonly reason: SkipReason;
  readonly text: string;
}

/** Records an Event on the owner of each Pod that an AcceleratedImage names and that is left as it was. */
export function createNotifier(events: Pick<EventRecorder, 'event'>): Notify {
  return (decision, namespace) => {
    const note = noteOf(decision, namespace);
    if (note !== undefined) {
      events.event(note.owner, note.type, note.reason, note.text);
    }
  };
}

function noteOf({ reason, message, pod, named, earlier, verdicts }: Decision, namespace: string): Note | undefined {
  // What an earlier round of the admission rewrote was rewritten.
  if (!named || reason === 'Rewritten' || earlier.size > 0) {
    return undefined;
  }
  const { text, event: type } = REMEDIES[reason];
  const { owner } = pod;
  if (type === undefined || owner === undefined || owner.uid === '') {
    return undefined;
  }
  const { apiVersion, kind, name, uid } = owner;
  const images = [...new Set(verdicts.map(({ candidate }) => nameOf(candidate)))].join(', ');
  return {
    owner: { apiVersion, kind, metadata: { namespace, name, uid } },
    type,
    reason,
    // Nothing in it differs from Pod to Pod, so that all Pods of the owner make one series.
    text: `New Pods keep an image that AcceleratedImage ${images} names: ${message}. ${text}`,
  };
}
