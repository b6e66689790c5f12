import { Counter, type Registry } from 'prom-client';
import type { Form } from '../../notifications/parse.ts';

/**
 * What became of a notification:
 * - `marked`: objects that follow its tags were told to ask their registry;
 * - `known`: they know of the digest that it names already, and were left alone;
 * - `unmatched`: nobody follows its tags;
 * - `ignored`: it is not about a push of a tag;
 * - `malformed`: it was none, or too big;
 * - `unauthorized`: it came without a token of the Secret, and was not read;
 * - `limited`: too many came at once, and it was not read;
 * - `failed`: the API server did not take the marks in time.
 */
export type Outcome =
  'marked' | 'known' | 'unmatched' | 'ignored' | 'malformed' | 'unauthorized' | 'limited' | 'failed';

/** Where notifications are counted. */
export interface NotificationMetrics {
  /** One was answered. The form is not known of what was not read. */
  received(outcome: Outcome, form?: Form): void;
}

/** Counts into a Prometheus registry. */
export function notificationMetrics(registry: Registry): NotificationMetrics {
  const total = new Counter({
    name: 'slipstream_notifications_total',
    help: 'Notifications of registries that were answered, by their form and by what became of them.',
    labelNames: ['form', 'outcome'],
    registers: [registry],
  });
  return {
    received: (outcome, form) => total.inc({ form: form ?? 'unknown', outcome }),
  };
}
