import { parseArgs } from 'node:util';
import { z } from 'zod';

/** What a cluster is to be like. */
export const ClusterOptions = z
  .object({
    /** Names the state folder and the cgroup; clusters of different names do not meet. */
    name: z
      .string()
      .regex(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/)
      .default('dev'),
    nodes: z.int().min(1).max(2).default(1),
    /** Start a Dragonfly seed peer, and let every nydusd read through it. */
    seed: z.boolean().default(false),
    /** Start a Dragonfly peer on every node, and let nydusd and containerd there read through it. */
    peers: z.boolean().default(false),
    /** How often the HorizontalPodAutoscaler controller looks, in seconds. */
    hpaSyncSeconds: z.int().min(1).max(300).default(15),
  })
  .refine(({ seed, peers }) => seed || !peers, {
    error: 'peers need a seed: the scheduler that they announce themselves to is beside it',
  });

export type ClusterOptions = z.infer<typeof ClusterOptions>;

/** Usage of the options that {@link parseOptions} reads. */
export const OPTIONS_USAGE = '[--name dev] [--nodes 1|2] [--seed [--peers]] [--hpa-sync-seconds 15]';

/** Reads cluster options from command line arguments, and gives back what stands after `--`. Throws on others. */
export function parseOptions(args: string[]): { options: ClusterOptions; command: string[] } {
  const end = args.indexOf('--');
  const { values } = parseArgs({
    args: end < 0 ? args : args.slice(0, end),
    options: {
      name: { type: 'string' },
      nodes: { type: 'string' },
      seed: { type: 'boolean' },
      peers: { type: 'boolean' },
      'hpa-sync-seconds': { type: 'string' },
    },
  });
  const given = {
    name: values.name ?? process.env['SLIPSTREAM_CLUSTER_NAME'],
    nodes: values.nodes === undefined ? undefined : Number(values.nodes),
    seed: values.seed,
    peers: values.peers,
    hpaSyncSeconds: values['hpa-sync-seconds'] === undefined ? undefined : Number(values['hpa-sync-seconds']),
  };
  const parsed = ClusterOptions.safeParse(given);
  if (!parsed.success) throw new Error(`${z.prettifyError(parsed.error)}\nusage: ${OPTIONS_USAGE}`);
  return { options: parsed.data, command: end < 0 ? [] : args.slice(end + 1) };
}
