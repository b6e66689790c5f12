import { durationMs } from '../api/v1alpha1/duration.ts';
import { InvalidReferenceError, parseReference } from '../registry/reference.ts';
import type { Seed } from '../dragonfly/provider.ts';

/** Flags of the `warm` command, as they were typed. */
export interface WarmFlags {
  /** URLs of seed peers' proxies; in place of a provider. */
  readonly seed: readonly string[];
  /** The operator's configuration file. */
  readonly config?: string | undefined;
  /** A provider of the configuration. */
  readonly provider?: string | undefined;
  readonly platform: readonly string[];
  /** Warms what was named, whatever new Pods run. */
  readonly asIs: boolean;
  /** Reads back only. */
  readonly verifyOnly: boolean;
  /** Speaks HTTP to the image's registry. */
  readonly plainHttp: boolean;
  readonly timeout: string;
  readonly output: 'text' | 'json';
  readonly namespace?: string | undefined;
  readonly context?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly operatorNamespace: string;
  /** Name of the operator's ConfigMap and webhook configuration. */
  readonly operatorName: string;
}

/** What was typed makes no sense; the message says what to type. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** What the flags say, checked. */
export interface WarmOptions {
  /** None where a provider of the configuration names them. */
  readonly seeds: readonly Seed[];
  readonly timeoutMs: number;
}

/**
 * Checks what was typed, as far as that needs nothing else.
 * @throws UsageError
 */
export function readWarmFlags(image: string, flags: WarmFlags): WarmOptions {
  try {
    parseReference(image);
  } catch (error) {
    throw error instanceof InvalidReferenceError ? new UsageError(error.message, { cause: error }) : error;
  }
  if (flags.seed.length === 0 && flags.config === undefined) {
    throw new UsageError(
      "say where the seed peers are: --seed http://HOST:4001 for each, or --config with the operator's configuration file",
    );
  }
  if (flags.seed.length > 0 && flags.provider !== undefined) {
    throw new UsageError('--seed and --provider both say where the seed peers are: give one of them');
  }
  const wrong = flags.platform.find((platform) => !/^[a-z0-9]+\/[a-z0-9_]+$/.test(platform));
  if (wrong !== undefined) {
    throw new UsageError(`--platform ${wrong} is no platform of a node: give os/architecture, such as linux/arm64`);
  }
  const timeoutMs = durationMs(flags.timeout);
  if (timeoutMs === undefined || timeoutMs === 0) {
    throw new UsageError(`--timeout ${flags.timeout} is no duration: give one such as 90s or 30m`);
  }
  return { seeds: flags.seed.map(seedOf), timeoutMs };
}

function seedOf(text: string): Seed {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new UsageError(`--seed ${text} is no URL of a proxy: give one such as http://10.0.0.7:4001`);
  }
  return { name: url.host, url: url.origin };
}

/**
 * The provider to use: the one that is named, the only one, or the one called `default`, which a PrefetchPolicy that names
 * none uses.
 * @throws UsageError
 */
export function chooseProvider(names: readonly string[], wanted: string | undefined, config: string): string {
  const [only] = names;
  const chosen = wanted ?? (names.length === 1 ? only : names.find((name) => name === 'default'));
  if (chosen !== undefined && names.includes(chosen)) {
    return chosen;
  }
  if (only === undefined) {
    throw new UsageError(`${config} names no provider: name one there under providers, or give --seed`);
  }
  const known = names.join(', ');
  throw new UsageError(
    wanted === undefined
      ? `say by --provider which one to use: ${known}`
      : `${config} has no provider ${wanted}, only: ${known}`,
  );
}
