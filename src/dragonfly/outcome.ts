import { ProviderError } from './provider.ts';
import type { BlobState, ProviderReason, WarmImage } from './provider.ts';
import type { Job } from './schema.ts';

/** Failed tasks that are named in a message. */
const NAMED_FAILURES = 3;

/** What to do about a manager that warms under other ids than pullers ask for. */
export const OLD_MANAGER_REMEDY =
  'Dragonfly up to v2.5.1 warms under task ids that no puller uses: upgrade it, or use the provider type seedPeers';

/** A job that has come to its end, or whose row the manager has lost. */
export interface EndedJob {
  readonly id: number;
  readonly view: Job | 'lost';
}

/**
 * Why a job that has ended left blobs cold, from what it says that it brought: other blobs than those of the image; or these,
 * which then are where no puller looks; or it failed to bring them.
 */
export function failureOf({ id, view }: EndedJob, image: WarmImage, cold: readonly BlobState[]): ProviderError {
  const [first] = cold;
  const digests = new Set(cold.map(({ digest }) => digest));
  const missing = `${digests.size} ${digests.size === 1 ? 'blob is' : 'blobs are'} not warm, such as: ${first?.message ?? first?.digest}`;
  if (view === 'lost') {
    return new ProviderError('Failed', `the Dragonfly manager has lost job ${id}, and ${missing}`, {
      reason: reasonOf(cold),
    });
  }
  const ended = `job ${id} ended with ${view.state}, and ${missing}`;
  const failures = failuresOf(view);
  const brought = broughtBy(view);
  if (brought.size > 0 && !image.blobs.some(({ digest }) => brought.has(digest))) {
    const [other] = brought;
    const found = `it warmed other blobs, such as ${other}, and none of ${image.platform}`;
    const remedy = 'see whether the manifest in the registry is of that platform, or use the provider type seedPeers';
    return new ProviderError('Failed', `${ended}; ${found}: ${remedy}`, { reason: 'WrongPlatform' });
  }
  const [bad] = cold.filter(({ digest, reason }) => brought.has(digest) && reason === 'Cold');
  if (view.state === 'SUCCESS' && failures === '' && bad !== undefined) {
    return new ProviderError('Failed', `${ended}; ${OLD_MANAGER_REMEDY}`, { reason: 'TaskIDMismatch' });
  }
  return new ProviderError('Failed', failures === '' ? ended : `${ended}; it says: ${failures}`, {
    reason: reasonOf(cold),
  });
}

function reasonOf(cold: readonly BlobState[]): ProviderReason | undefined {
  const reason = cold.find((state) => state.reason !== 'Cold' && state.reason !== 'Evicted')?.reason;
  return reason === 'Cold' || reason === 'Evicted' ? undefined : reason;
}

/** Digests of the blobs that a job says it has brought. */
function broughtBy(job: Job): Set<string> {
  const tasks = resultsOf(job).flatMap((result) => result?.success_tasks ?? []);
  return new Set(tasks.map(({ url }) => url.slice(url.lastIndexOf('/') + 1)));
}

function failuresOf(job: Job): string {
  const errors = (job.result?.job_states ?? []).flatMap(({ error }) => (error ? [error] : []));
  const tasks = resultsOf(job).flatMap((result) => result?.failure_tasks ?? []);
  const messages = [...errors, ...tasks.map((task) => `${task.hostname ?? 'a seed'}: ${task.description ?? task.url}`)];
  const named = messages.slice(0, NAMED_FAILURES).map((message) => message.replace(/\s+/g, ' ').slice(0, 200));
  const more = messages.length - named.length;
  return named.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

function resultsOf(job: Job): NonNullable<NonNullable<NonNullable<Job['result']>['job_states']>[number]['results']> {
  return (job.result?.job_states ?? []).flatMap(({ results }) => results ?? []);
}
