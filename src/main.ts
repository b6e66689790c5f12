#!/usr/bin/env node
import { arch, hostname } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import type { BacktestFlags } from './cli/backtest-options.ts';
import type { InspectFlags } from './cli/inspect-options.ts';
import type { WarmFlags } from './cli/warm-options.ts';
import { MAX_PATHS, SYSTEM_SOCKET } from './learn/defaults.ts';
import { createLogger, LOG_LEVELS } from './observability/logger.ts';

const USER_AGENT = `slipstream/${packageJson.version}`;

/**
 * The only file that touches process.*: argv → config → run(config, signal) → exit code. Each command loads what it runs when it
 * runs: a worker would else start with the operator's code, twice as slow and with twice the heap.
 */
function program(signal: AbortSignal): Command {
  const root = new Command('slipstream')
    .description('Makes big container images start fast across a Kubernetes cluster')
    .version(packageJson.version)
    .addOption(
      new Option('--log-level <level>', 'least severe lines that are logged')
        .choices(LOG_LEVELS)
        .default('info')
        .env('LOG_LEVEL'),
    );
  root
    .command('controller')
    .description('run the webhook and, on the replica that leads, the controllers')
    .requiredOption('--config <path>', "the operator's configuration file (YAML)")
    .addOption(
      new Option('--namespace <name>', "the operator's own namespace").env('POD_NAMESPACE').makeOptionMandatory(),
    )
    .addOption(
      new Option('--identity <name>', 'what tells this replica from the others').env('POD_NAME').default(hostname()),
    )
    .option(
      '--kubeconfig <path>',
      'kubeconfig file; without it the one of the environment, or the ServiceAccount of the Pod',
    )
    .option('--webhook-port <port>', 'port of the admission webhook', Number, 9443)
    .option('--health-port <port>', 'port of health probes and metrics', Number, 8080)
    .option('--notifications-port <port>', 'port of notifications of registries, where they are enabled', Number, 9292)
    .option('--service <name>', 'Service of the webhook, for which its certificate is made', 'slipstream')
    .option('--webhook-configuration <name>', 'MutatingWebhookConfiguration whose caBundle is kept right', 'slipstream')
    .option(
      '--certificate-secret <name>',
      "Secret for the webhook's certificates, in the operator's namespace",
      'slipstream-webhook',
    )
    .action(async (flags: ControllerFlags) => {
      const { loadConfig } = await import('./config.ts');
      const { runOperator } = await import('./operator.ts');
      const log = createLogger({ level: root.opts<GlobalFlags>().logLevel });
      const config = await loadConfig(flags.config);
      await runOperator({ ...flags, config, userAgent: USER_AGENT, log }, signal);
    });
  root
    .command('release')
    .description(
      'let Pods go that a PrefetchPolicy has had wait as long as they may, whatever state the operator is in',
    )
    .addOption(
      new Option('--namespace <name>', "the operator's own namespace").env('POD_NAMESPACE').makeOptionMandatory(),
    )
    .addOption(
      new Option('--identity <name>', 'what tells this releaser from others').env('POD_NAME').default(hostname()),
    )
    .option(
      '--kubeconfig <path>',
      'kubeconfig file; without it the one of the environment, or the ServiceAccount of the Pod',
    )
    .option('--lease <name>', 'Lease that says that it is alive, in that namespace', 'slipstream-release')
    .option('--health-port <port>', 'port of health probes and metrics', Number, 8080)
    .option('--stop', 'turn holding off, let every Pod go, and end', false)
    .action(async (flags: ReleaseFlags) => {
      const { runReleaseCommand } = await import('./controllers/hold/command.ts');
      const log = createLogger({ level: root.opts<GlobalFlags>().logLevel });
      await runReleaseCommand({ ...flags, userAgent: USER_AGENT, log }, signal);
    });
  root
    .command('unfinalize')
    .description('before an uninstallation: take the finalizer from every AcceleratedImage, while nobody leads')
    .addOption(
      new Option('--namespace <name>', "the operator's own namespace").env('POD_NAMESPACE').makeOptionMandatory(),
    )
    .addOption(
      new Option('--identity <name>', "who has the leader's Lease meanwhile").env('POD_NAME').default(hostname()),
    )
    .option(
      '--kubeconfig <path>',
      'kubeconfig file; without it the one of the environment, or the ServiceAccount of the Pod',
    )
    .action(async (flags: UnfinalizeFlags) => {
      const { runUnfinalizeCommand } = await import('./controllers/uninstall/command.ts');
      const log = createLogger({ level: root.opts<GlobalFlags>().logLevel });
      await runUnfinalizeCommand({ ...flags, userAgent: USER_AGENT, log }, signal);
    });
  root
    .command('convert')
    .description('convert one image; the worker of a conversion Job')
    .requiredOption('--request <json>', 'what to convert, and how')
    .option('--source-config <path>', 'docker config with credentials for the source')
    .option('--target-config <path>', "docker config with credentials for the target; the source's when absent")
    .addOption(new Option('--nydus-image <path>', 'nydus-image, the builder').env('NYDUS_IMAGE').default('nydus-image'))
    .option('--termination-message <path>', 'file for the result', '/dev/termination-log')
    .action(async (flags: ConvertFlags) => {
      const { runConvertCommand } = await import('./converter/command.ts');
      const { logLevel } = root.opts<GlobalFlags>();
      process.exitCode = await runConvertCommand(
        { ...flags, userAgent: USER_AGENT, logLevel, stdout: process.stdout },
        signal,
      );
    });
  root
    .command('replicate')
    .description("copy an artifact to a region's registry; the worker of a Job")
    .requiredOption('--request <json>', 'what to copy, and to where')
    .option('--artifact-config <path>', 'docker config with credentials for the artifact')
    .option('--source-config <path>', 'docker config with credentials for the source')
    .option('--replica-config <path>', 'docker config with credentials for where the copies go')
    .option('--termination-message <path>', 'file for the result', '/dev/termination-log')
    .action(async (flags: ReplicateFlags) => {
      const { runReplicateCommand } = await import('./replication/command.ts');
      const { logLevel } = root.opts<GlobalFlags>();
      process.exitCode = await runReplicateCommand(
        { ...flags, userAgent: USER_AGENT, logLevel, stdout: process.stdout },
        signal,
      );
    });
  root
    .command('explain')
    .description('say why a Pod runs accelerated images or does not, and what would have to change')
    .argument('[pod]', 'a Pod that exists, as pod/NAME')
    .option('-f, --filename <path>', 'manifests of Pods or built-in workloads that need not exist; - is standard input')
    .addOption(new Option('-o, --output <format>', 'what to write').choices(['text', 'json']).default('text'))
    .option('-n, --namespace <name>', "namespace of the Pod; the context's without it")
    .option('--context <name>', 'context of the kubeconfig')
    .option('--kubeconfig <path>', 'kubeconfig file; without it the one of the environment')
    .option('--operator-namespace <name>', 'namespace that Slipstream is installed in', 'slipstream-system')
    .option('--operator-name <name>', "name of the operator's ConfigMap and webhook configuration", 'slipstream')
    .action(async (target: string | undefined, flags: ExplainFlags) => {
      const { runExplainCommand } = await import('./cli/command.ts');
      const { systemClock } = await import('./runtime/clock.ts');
      const { stdin, stdout } = process;
      await runExplainCommand({ target, ...flags, userAgent: USER_AGENT, clock: systemClock, stdin, stdout }, signal);
    });
  root
    .command('timeline')
    .description('show when what happened in a scale-out, from the decision to warm to the last Pod that was Ready')
    .argument('<target>', 'what scales: pfp/NAME, hpa/NAME, deploy/NAME, sts/NAME or rs/NAME')
    .option('-w, --watch', 'go on, and show each moment as it happens', false)
    .option('--last <number>', 'how many scale-outs to show', '1')
    .addOption(new Option('-o, --output <format>', 'what to write').choices(['text', 'json']).default('text'))
    .option('-n, --namespace <name>', "namespace of the target; the context's without it")
    .option('--context <name>', 'context of the kubeconfig')
    .option('--kubeconfig <path>', 'kubeconfig file; without it the one of the environment')
    .action(async (target: string, flags: TimelineFlags) => {
      const { runTimelineCommand } = await import('./cli/timeline.ts');
      const { systemClock } = await import('./runtime/clock.ts');
      const { stdout, stderr } = process;
      await runTimelineCommand({ target, ...flags, userAgent: USER_AGENT, clock: systemClock, stdout, stderr }, signal);
    });
  root
    .command('learn')
    .description('propose the list of paths to prefetch (spec.conversion.prefetchPaths) from what a running Pod read')
    .argument('[pod]', 'a running Pod of an accelerated image, as pod/NAME')
    .option('-c, --container <name>', 'its container, where several are accelerated')
    .option('--records <path>', "in place of a Pod: nydusd's answer to GET /api/v1/metrics/pattern; with --bootstrap")
    .option('--bootstrap <path>', 'with --records: the tree of the same image, image.boot')
    .option('--limit <number>', 'longest list', String(MAX_PATHS))
    .addOption(
      new Option('-o, --output <format>', 'what to write; yaml is a patch for the AcceleratedImage')
        .choices(['table', 'yaml', 'json'])
        .default('table'),
    )
    .option('-n, --namespace <name>', "namespace of the Pod; the context's without it")
    .option('--context <name>', 'context of the kubeconfig')
    .option('--kubeconfig <path>', 'kubeconfig file; without it the one of the environment')
    .option('--operator-namespace <name>', 'namespace that Slipstream is installed in', 'slipstream-system')
    .option('--operator-name <name>', "name of the operator's Deployment", 'slipstream')
    .option('--system-socket <path>', "nydus-snapshotter's system socket on the node", SYSTEM_SOCKET)
    .action(async (target: string | undefined, flags: LearnFlags) => {
      const { runLearnCommand } = await import('./cli/learn.ts');
      const { systemClock } = await import('./runtime/clock.ts');
      const { stdout } = process;
      await runLearnCommand({ target, ...flags, userAgent: USER_AGENT, clock: systemClock, stdout }, signal);
    });
  // What the Jobs of `learn` run.
  root
    .command('learn-on-node', { hidden: true })
    .requiredOption('--request <json>', 'what to ask, and whom')
    .action(async ({ request }: { request: string }) => {
      const { answerAgentRequest } = await import('./learn/agent.ts');
      process.stdout.write(`${JSON.stringify(await answerAgentRequest(request, signal))}\n`);
    });
  root
    .command('backtest')
    .description('say how well a PrefetchPolicy would have foreseen the scale-outs of a load of the past')
    .option('--metrics <path>', 'the load: a CSV file of time,value; - is standard input')
    .option('--prometheus <url>', 'the load: base URL of Prometheus; with --query, --start and --end')
    .option('--query <promql>', 'query of one series, the load of all Pods together')
    .option('--start <time>', 'RFC 3339')
    .option('--end <time>', 'RFC 3339')
    .option('--step <duration>', 'from point to point', '15s')
    .requiredOption('--target <load>', 'load of one Pod that the HorizontalPodAutoscaler aims at')
    .option('--min <replicas>', 'minReplicas', '1')
    .option('--max <replicas>', 'maxReplicas', '100')
    .option('--pod-start <duration>', 'from the creation of a Pod to its being ready', '30s')
    .option('--window <duration>', 'what the metric of the autoscaler is an average over', '1m')
    .option('--warm-time <duration>', 'from a decision to the end of its warm', '30s')
    .option('--threshold <share>', "the policy's triggers.autoscaler.threshold", '0.85')
    .option('--horizon <duration>', "the policy's triggers.autoscaler.horizon", '60s')
    .option('--cooldown <duration>', "the policy's limits.cooldown", '5m')
    .option('--within <duration>', 'how long after a decision a scale-out counts as foreseen', '10m')
    .option('--train <share>', 'share of the load, from its start, that only the cron baseline sees', '0.5')
    .option('--tune', 'propose threshold and horizon by walking forward in time', false)
    .option('--plot <path>', 'write a plot: a PNG where the name ends in .png, else an SVG')
    .addOption(new Option('-o, --output <format>', 'what to write').choices(['text', 'json']).default('text'))
    .action(async (flags: BacktestCommandFlags) => {
      const { runBacktestCommand } = await import('./cli/backtest.ts');
      const { stdin, stdout } = process;
      await runBacktestCommand({ ...flags, stdin, stdout }, signal);
    });
  root
    .command('warm')
    .description('bring what new Pods pull of an image to the seed peers, read it back, and say what is warm where')
    .argument('<image>', 'the image, as Pods name it')
    .option('--seed <url>', 'proxy of a seed peer, such as http://10.0.0.7:4001; repeatable', collect, [])
    .addOption(
      new Option(
        '--config <path>',
        "the operator's configuration file, whose providers say where the seed peers are",
      ).env('SLIPSTREAM_CONFIG'),
    )
    .option('--provider <name>', 'the provider of the configuration, where there are several')
    .option(
      '--platform <platform>',
      "such as linux/arm64; repeatable; those of the cluster's nodes without it, or this machine's where no cluster is known",
      collect,
      [],
    )
    .option('--as-is', 'warm just what is named, also where new Pods would run what was made of it', false)
    .option('--verify-only', 'only read back what is there', false)
    .option('--plain-http', "speak HTTP to the image's registry, not HTTPS", false)
    .option('--timeout <duration>', 'how long bringing it may take', '30m')
    .addOption(new Option('-o, --output <format>', 'what to write').choices(['text', 'json']).default('text'))
    .option('-n, --namespace <name>', "namespace of the Pods that name the image; the context's without it")
    .option('--context <name>', 'context of the kubeconfig')
    .option(
      '--kubeconfig <path>',
      'kubeconfig file; without it the one of the environment, or the ServiceAccount of the Pod',
    )
    .addOption(
      new Option('--operator-namespace <name>', 'namespace that Slipstream is installed in')
        .env('POD_NAMESPACE')
        .default('slipstream-system'),
    )
    .option('--operator-name <name>', "name of the operator's ConfigMap and webhook configuration", 'slipstream')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
    .action(async (image: string, flags: WarmFlags) => {
      const { runWarmCommand } = await import('./cli/warm.ts');
      const { systemClock } = await import('./runtime/clock.ts');
      const { stdout, stderr } = process;
      process.exitCode = await runWarmCommand(
        { image, ...flags, ...ownMachine(), userAgent: USER_AGENT, clock: systemClock, stdout, stderr },
        signal,
      );
    });
  root
    .command('inspect')
    .description(
      'say what is in the layers of an image that need not be: wasted bytes, caches, build tools, dangerous files',
    )
    .argument('<image>', 'the image; its layers are read once from its registry')
    .option('--platform <platform>', "such as linux/arm64; this machine's without it")
    .option('--budget-size <quantity>', 'most bytes of files, such as 500Mi; more makes the exit code 1')
    .option('--budget-wasted-bytes <quantity>', 'most bytes that layers above delete or overwrite')
    .option('--budget-layers <number>', 'most layers')
    .option('--plain-http', "speak HTTP to the image's registry, not HTTPS", false)
    .addOption(new Option('-o, --output <format>', 'what to write').choices(['table', 'json']).default('table'))
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
    .action(async (image: string, flags: InspectFlags) => {
      const { runInspectCommand } = await import('./cli/inspect.ts');
      const { systemClock } = await import('./runtime/clock.ts');
      const { stdout, stderr } = process;
      process.exitCode = await runInspectCommand(
        { image, ...flags, ...ownMachine(), userAgent: USER_AGENT, clock: systemClock, stdout, stderr },
        signal,
      );
    });
  return root;
}

/** What the machine says that a command runs on: where the user's credentials are, and what it is. */
function ownMachine(): { dockerConfig: string; ownPlatform: string } {
  const { env } = process;
  return {
    dockerConfig: join(env['DOCKER_CONFIG'] ?? join(env['HOME'] ?? '/', '.docker'), 'config.json'),
    ownPlatform: `linux/${arch() === 'x64' ? 'amd64' : arch()}`,
  };
}

/** For options that can be given again and again. */
function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

interface GlobalFlags {
  logLevel: (typeof LOG_LEVELS)[number];
}

interface ControllerFlags {
  config: string;
  namespace: string;
  identity: string;
  kubeconfig?: string;
  webhookPort: number;
  healthPort: number;
  notificationsPort: number;
  service: string;
  webhookConfiguration: string;
  certificateSecret: string;
}

interface ReleaseFlags {
  namespace: string;
  identity: string;
  kubeconfig?: string;
  lease: string;
  healthPort: number;
  stop: boolean;
}

interface UnfinalizeFlags {
  namespace: string;
  identity: string;
  kubeconfig?: string;
}

interface ConvertFlags {
  request: string;
  sourceConfig?: string;
  targetConfig?: string;
  nydusImage: string;
  terminationMessage: string;
}

interface ReplicateFlags {
  request: string;
  artifactConfig?: string;
  sourceConfig?: string;
  replicaConfig?: string;
  terminationMessage: string;
}

interface ExplainFlags {
  filename?: string;
  output: 'text' | 'json';
  namespace?: string;
  context?: string;
  kubeconfig?: string;
  operatorNamespace: string;
  operatorName: string;
}

interface TimelineFlags {
  watch: boolean;
  last: string;
  output: 'text' | 'json';
  namespace?: string;
  context?: string;
  kubeconfig?: string;
}

interface LearnFlags {
  container?: string;
  records?: string;
  bootstrap?: string;
  limit: string;
  output: 'table' | 'yaml' | 'json';
  namespace?: string;
  context?: string;
  kubeconfig?: string;
  operatorNamespace: string;
  operatorName: string;
  systemSocket: string;
}

interface BacktestCommandFlags extends BacktestFlags {
  metrics?: string;
  prometheus?: string;
  query?: string;
  start?: string;
  end?: string;
  step: string;
  plot?: string;
  output: 'text' | 'json';
}

const stop = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const) {
  process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
}
try {
  await program(stop.signal).parseAsync(process.argv);
} catch (error) {
  process.stderr.write(`slipstream: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
