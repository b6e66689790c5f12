import { fromDistribution } from './distribution.ts';
import { fromGeneric } from './generic.ts';
import { fromHarbor } from './harbor.ts';
import type { PushedTag } from './pushed.ts';

/** The forms that a notification may have, by which key of it tells them apart. */
const FORMS = {
  distribution: { key: 'events', read: fromDistribution },
  harbor: { key: 'type', read: fromHarbor },
  generic: { key: 'image', read: fromGeneric },
} as const;

/** Whose form a notification has. */
export type Form = keyof typeof FORMS;

/** A notification that was understood; it may be about something else than pushes, and then names no tag. */
export interface Notification {
  readonly form: Form;
  readonly pushed: readonly PushedTag[];
}

/**
 * Reads the body of a notification. Its form is told by its content, not by its media type: senders let people set that, and
 * proxies change it. Never throws; undefined for what is of no form.
 */
export function parseNotification(body: string): Notification | undefined {
  const value = parseJson(body);
  if (typeof value !== 'object' || value === null) {
    return undefined;
  }
  for (const [form, { key, read }] of Object.entries(FORMS)) {
    const pushed = Object.hasOwn(value, key) ? read(value) : undefined;
    if (pushed !== undefined) {
      return { form: form as Form, pushed };
    }
  }
  return undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
