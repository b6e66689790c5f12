import { z } from 'zod';
import { hostOf, MAX_HOST, MAX_PUSHED, MAX_REPOSITORY, pushedTag, type PushedTag } from './pushed.ts';

const EventData = z.object({
  resources: z
    .array(
      z.object({
        digest: z.string().max(160).optional(),
        /** The digest again where there was no tag. */
        tag: z.string().max(160).optional(),
        /** `host/repository:tag`, with the host that Harbor is known by. */
        resource_url: z
          .string()
          .max(MAX_HOST + MAX_REPOSITORY + 300)
          .optional(),
      }),
    )
    .max(MAX_PUSHED)
    .optional(),
  repository: z.object({ repo_full_name: z.string().max(MAX_REPOSITORY) }).optional(),
});

/** The payload format Default. */
const Default = z.object({ type: z.string().max(64), event_data: z.unknown() });

/** The payload format CloudEvents, in structured mode (CloudEvents 1.0, HTTP protocol binding). */
const CloudEvent = z.object({ specversion: z.string().max(8), type: z.string().max(64), data: z.unknown() });

/** What Harbor calls a push in either format; its other events say nothing about tags. */
const PUSHES: readonly string[] = ['PUSH_ARTIFACT', 'harbor.artifact.pushed'];

/** The tags that a webhook of Harbor says were pushed, in the payload format Default or CloudEvents; none for other events. */
export function fromHarbor(body: unknown): PushedTag[] | undefined {
  const event = CloudEvent.safeParse(body);
  const { success, data } = event.success ? event : Default.safeParse(body);
  if (!success) {
    return undefined;
  }
  if (!PUSHES.includes(data.type)) {
    return [];
  }
  const push = EventData.safeParse('event_data' in data ? data.event_data : data.data);
  const repository = push.data?.repository?.repo_full_name;
  if (!push.success || repository === undefined) {
    return undefined;
  }
  return (push.data.resources ?? []).flatMap(({ tag, digest, resource_url: url }) => {
    const host = url === undefined ? undefined : hostOf(url);
    return pushedTag({ host, repository, tag, digest }) ?? [];
  });
}
