import { formatBytes } from '../api/v1alpha1/bytes.ts';
import { Config, loadConfig } from '../config.ts';
import { ProviderError } from '../dragonfly/provider.ts';
import type { Provider } from '../dragonfly/provider.ts';
import { SeedPeersProvider } from '../dragonfly/seedpeers.ts';
import { RegistryClient } from '../registry/client.ts';
import { RegistryError } from '../registry/errors.ts';
import { parseReference } from '../registry/reference.ts';
import type { Clock } from '../runtime/clock.ts';
import { UnresolvableError, planImages } from '../warming/plan.ts';
import type { PlannedImage } from '../warming/plan.ts';
import { createProviders } from '../warming/providers.ts';
import { openCluster } from './warm-cluster.ts';
import type { Cluster } from './warm-cluster.ts';
import { findCredentials } from './warm-credentials.ts';
import { UsageError, chooseProvider, readWarmFlags } from './warm-options.ts';
import type { WarmFlags, WarmOptions } from './warm-options.ts';
import { ProgressMeter, showProgress } from './warm-progress.ts';
import type { ProgressSink } from './warm-progress.ts';
import { complaint, isWarm, reportOfImage } from './warm-report.ts';
import type { ImageReport } from './warm-report.ts';
import { renderReports, renderSubject, renderWarmJson } from './warm-text.ts';

/** Arguments of the `warm` command. */
export interface WarmCommand extends WarmFlags {
  readonly image: string;
  /** Path of the user's Docker configuration file; it need not exist. */
  readonly dockerConfig: string;
  /** Platform to warm where no cluster tells those of its nodes. */
  readonly ownPlatform: string;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly stdout: { write(text: string): unknown };
  /** For progress and errors. */
  readonly stderr: ProgressSink;
}

/** What one run works with. */
interface Run {
  readonly command: WarmCommand;
  readonly options: WarmOptions;
  readonly config: Config;
  readonly cluster: Cluster;
  readonly signal: AbortSignal;
}

/**
 * Brings what a new Pod's node pulls of an image to the seed peers, reads it back, and says what is warm where.
 * @returns the exit code: 0 warm on every seed, 1 not, 2 for arguments that make no sense
 * @throws Error saying what could not be read or is not there, and what to do
 */
export async function runWarmCommand(command: WarmCommand, signal: AbortSignal): Promise<number> {
  try {
    const options = readWarmFlags(command.image, command);
    const config = await readConfig(command);
    await using cluster = openCluster(command, config, signal);
    return await warm({ command, options, config, cluster, signal });
  } catch (error) {
    if (!(error instanceof UsageError)) {
      throw error;
    }
    command.stderr.write(`slipstream: ${error.message}\n`);
    return 2;
  }
}

async function warm(run: Run): Promise<number> {
  const { command, cluster, signal } = run;
  const { image, output, stdout, stderr, verifyOnly } = command;
  const provider = openProvider(run);
  const subject = await cluster.resolve(image, command);
  stderr.write(renderSubject(subject));
  const planned = await plan(subject.image, run);
  const failure = verifyOnly ? undefined : await bring(planned, provider, run);
  const reports = await readBack(planned, provider, signal);
  const isDone = isWarm(reports);
  stdout.write(output === 'json' ? renderWarmJson(subject, reports, isDone) : renderReports(reports));
  if (!isDone) {
    // What kept the warm from ending says more than what was missing afterwards.
    const why = failure?.kind === 'Failed' || failure?.kind === 'TimedOut' ? failure.message : complaint(reports);
    const retry = failure?.kind === 'TimedOut' ? '; what has come stays: run it again, with a longer --timeout' : '';
    stderr.write(`slipstream: ${subject.image}: ${why}${retry}\n`);
  }
  return isDone ? 0 : 1;
}

async function readConfig({ config, image, plainHttp }: WarmCommand): Promise<Config> {
  const loaded = config === undefined ? Config.parse({ conversion: { image: 'none' } }) : await loadConfig(config);
  const host = parseReference(image).registry;
  const others = loaded.registries.filter((registry) => registry.host !== host);
  const known = loaded.registries.find((registry) => registry.host === host) ?? { host, namespaces: [] };
  return plainHttp ? { ...loaded, registries: [...others, { ...known, plainHTTP: true }] } : loaded;
}

function openProvider({ command, options, config, cluster }: Run): Provider {
  const { clock, provider, operatorNamespace } = command;
  if (options.seeds.length > 0) {
    return new SeedPeersProvider({ seeds: () => Promise.resolve(options.seeds), clock });
  }
  const names = config.providers.map(({ name }) => name);
  const chosen = chooseProvider(names, provider, command.config ?? '');
  const providers = createProviders(config, { client: cluster.client(), clock, operatorNamespace });
  const found = providers.get(chosen);
  if (found === undefined) {
    throw new UsageError(`there is no provider ${chosen}`);
  }
  return found;
}

async function plan(image: string, { command, config, cluster, signal }: Run): Promise<PlannedImage[]> {
  const { dockerConfig, operatorNamespace, userAgent } = command;
  const { registries } = config;
  const registry = new RegistryClient({
    registries: Object.fromEntries(registries.map(({ host, plainHTTP, ca }) => [host, { plainHTTP, ca }])),
    userAgent,
  });
  const sources = { dockerConfig, registries, operatorNamespace, client: cluster.client, signal };
  const platforms = await cluster.platforms(command);
  try {
    const planned = await planImages([image], {
      registry,
      config,
      platforms,
      credentialsFor: (reference) => findCredentials(reference, sources),
      signal,
    });
    const missing = command.platform.filter((wanted) => !planned.some(({ platform }) => platform === wanted));
    if (missing.length > 0) {
      throw new Error(`${image} has nothing for ${missing.join(', ')}: leave out that --platform`);
    }
    return planned;
  } catch (error) {
    const { cause } = error instanceof UnresolvableError ? error : {};
    if (cause instanceof RegistryError && cause.kind === 'Unauthorized') {
      throw new Error(`${cause.message}. They are taken from ${dockerConfig}: log in there, or set DOCKER_CONFIG`, {
        cause: error,
      });
    }
    throw error;
  } finally {
    await registry.close();
  }
}

/** Warms; returns what kept it from being all warm. */
async function bring(
  planned: readonly PlannedImage[],
  provider: Provider,
  { command, options, signal }: Run,
): Promise<ProviderError | undefined> {
  const { clock, stderr } = command;
  const total = {
    bytes: planned.reduce((sum, { bytes }) => sum + bytes, 0),
    blobs: planned.reduce((sum, image) => sum + image.warm.blobs.length, 0),
  };
  const meter = new ProgressMeter(total, clock);
  const warmed = Promise.all(
    planned.map((image, index) =>
      provider.warm(image.warm, {
        timeoutMs: options.timeoutMs,
        signal,
        onProgress: (progress) => meter.report(index, progress),
      }),
    ),
  );
  try {
    await showProgress(warmed, meter, stderr, clock);
    return undefined;
  } catch (error) {
    if (signal.aborted) {
      const { bytes, blobs } = meter.standing();
      const reached = `${formatBytes(bytes.done)} of ${formatBytes(bytes.total)}, ${blobs.done} of ${blobs.total} blobs`;
      throw new Error(
        `${String(signal.reason?.message ?? signal.reason)}; ${reached} had come to a seed peer and stay there: run it again to go on`,
        { cause: error },
      );
    }
    if (!(error instanceof ProviderError)) {
      throw error;
    }
    return error;
  }
}

async function readBack(
  planned: readonly PlannedImage[],
  provider: Provider,
  signal: AbortSignal,
): Promise<ImageReport[]> {
  return await Promise.all(
    planned.map(async (image) => reportOfImage(image, await provider.verify(image.warm, { signal }))),
  );
}
