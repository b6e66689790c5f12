import { z } from 'zod';

const Task = z.object({ url: z.string(), hostname: z.string().nullish(), description: z.string().nullish() });

const JobState = z.object({
  error: z.string().nullish(),
  results: z
    .array(z.object({ success_tasks: z.array(Task).nullish(), failure_tasks: z.array(Task).nullish() }).nullable())
    .nullish(),
});

/**
 * What is read of a job of the manager's Open API. The state of a preheat is PENDING, SUCCESS or FAILURE; others exist, and
 * are as good as PENDING.
 */
export const Job = z.object({
  id: z.int(),
  state: z.string(),
  result: z.object({ job_states: z.array(JobState).nullish() }).nullish(),
});
export type Job = z.infer<typeof Job>;

/** What the manager answers with a status of 4xx or 5xx: `message`, or `errors` with 422. */
export const Failure = z.object({ message: z.string().optional(), errors: z.string().optional() });
