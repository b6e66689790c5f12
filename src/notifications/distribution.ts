import { z } from 'zod';
import { MAX_HOST, MAX_PUSHED, MAX_REPOSITORY, pushedTag, type PushedTag } from './pushed.ts';

/** An event of CNCF distribution, as far as it is read (distribution/notifications/event.go). */
const Event = z.object({
  action: z.string().max(32),
  target: z.object({
    repository: z.string().max(MAX_REPOSITORY).optional(),
    /** Only where a manifest was pushed under one. */
    tag: z.string().max(128).optional(),
    digest: z.string().max(160).optional(),
  }),
  /** The Host header of who pushed. */
  request: z.object({ host: z.string().max(MAX_HOST).optional() }).optional(),
});

const Envelope = z.object({ events: z.array(Event).max(MAX_PUSHED) });

/**
 * The tags that an envelope of CNCF distribution says were pushed. Its media type is
 * `application/vnd.docker.distribution.events.v1+json`, or `….v2+json` from distribution 3 on, which differ in what is not read
 * here.
 */
export function fromDistribution(body: unknown): PushedTag[] | undefined {
  const { success, data } = Envelope.safeParse(body);
  if (!success) {
    return undefined;
  }
  return data.events.flatMap(({ action, target: { repository = '', tag, digest }, request }) =>
    action === 'push' && repository !== '' ? (pushedTag({ host: request?.host, repository, tag, digest }) ?? []) : [],
  );
}
