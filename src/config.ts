import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { load } from 'js-yaml';
import { z } from 'zod';
import { parseQuantity } from './autoscaling/quantity.ts';
import { DEFAULT_LIMITS } from './dragonfly/limits.ts';
import { WORKLOAD_KINDS, type RewriteConfig } from './rewriting/config.ts';
import { KeyError } from './trust/errors.ts';
import { parsePublicKey } from './trust/publickey.ts';

const Host = z.string().min(1).max(253);

const RegistrySettings = z.strictObject({
  /** Registry host as it stands in references, such as `registry.example.com:5000` or `docker.io`. */
  host: Host,
  /** Speak HTTP instead of HTTPS to this host. Never tried unless said here. */
  plainHTTP: z.boolean().default(false),
  /** PEM bundle that signs the host's certificate, where the system's does not. */
  ca: z.string().optional(),
  /** Secret (kubernetes.io/dockerconfigjson) in the operator's namespace with which the operator itself reads this host. */
  credentialsSecret: z.string().optional(),
  /** Namespaces whose objects may use `credentialsSecret`; `*` means every one. */
  namespaces: z.array(z.string()).default([]),
});
export type RegistrySettings = z.infer<typeof RegistrySettings>;

/** Where seed peers are: fixed proxy URLs, or the endpoints of a Service. */
const Seeds = {
  /** Proxy URLs of the seed peers, such as `http://10.0.0.7:4001`. */
  endpoints: z.array(z.url()).default([]),
  /** Service whose ready endpoints are the seed peers. */
  service: z.strictObject({ namespace: z.string(), name: z.string(), port: z.int().default(4001) }).optional(),
};

/** What a provider may ask of registries and seed peers. */
const Limits = {
  /** Transfers of a blob to a seed peer that may be under way at once. A manager's job counts as four. */
  maxConcurrentBlobs: z.int().min(1).max(10_000).default(DEFAULT_LIMITS.maxConcurrentBlobs),
  /** The same, of blobs of one registry. */
  maxConcurrentBlobsPerRegistry: z.int().min(1).max(10_000).default(DEFAULT_LIMITS.maxConcurrentBlobsPerRegistry),
  /** Bytes that policies may have on one seed peer at once, written as a quantity; no limit when left out. */
  maxSeedBytes: z
    .string()
    .regex(/^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$/)
    .transform(parseQuantity)
    .optional(),
};

const SeedPeersSettings = z.strictObject({ name: z.string(), type: z.literal('seedPeers'), ...Seeds, ...Limits });

const ManagerSettings = z.strictObject({
  name: z.string(),
  type: z.literal('manager'),
  /** Base URL of the Dragonfly manager's Open API. */
  url: z.url(),
  /** Secret in the operator's namespace whose key `token` holds a personal access token with the scope `job`. */
  tokenSecret: z.string(),
  /** Scheduler clusters to warm; empty means all. */
  clusterIDs: z.array(z.int()).default([]),
  scope: z.enum(['single_seed_peer', 'all_seed_peers']).default('all_seed_peers'),
  ...Seeds,
  ...Limits,
});

const ProviderSettings = z
  .discriminatedUnion('type', [SeedPeersSettings, ManagerSettings])
  .refine((p) => p.endpoints.length > 0 || p.service !== undefined, {
    error: 'a provider needs endpoints or a service: what is warm is verified by reading back from the seed peers',
  });
export type ProviderSettings = z.infer<typeof ProviderSettings>;

const PrometheusSettings = z.strictObject({
  /** Base URL of Prometheus, or of what speaks its HTTP API; the forecasts of PrefetchPolicies are asked of it. */
  url: z.url({ protocol: /^https?$/ }),
  /** Secret in the operator's namespace whose key `token` holds a bearer token. */
  tokenSecret: z.string().optional(),
  /** PEM bundle that signs its certificate, where the system's does not. */
  ca: z.string().optional(),
});
export type PrometheusSettings = z.infer<typeof PrometheusSettings>;

const TrustSettings = z.strictObject({
  /** Sources that are only converted when they are signed, whatever their objects say. */
  sources: z
    .array(
      z.strictObject({
        /** Patterns of repositories, such as `registry.example.com/shop/**`: `*` stops at a slash, `**` does not. */
        images: z.array(z.string().min(1).max(1024)).min(1).max(256),
        /** Public keys in PEM, as `cosign generate-key-pair` writes them; a signature by any of them will do. */
        publicKeys: z.array(z.string().superRefine(refusePublicKey)).min(1).max(16),
      }),
    )
    .max(256)
    .default([]),
  /** Artifacts are signed when it is there. */
  signing: z
    .strictObject({
      /** Secret in the operator's namespace: `cosign.key` and `cosign.password`, and `bootstrap.key` for nydus-snapshotter. */
      secret: z.string().min(1).max(253),
    })
    .optional(),
});

/** The operator's configuration file. */
export const Config = z.strictObject({
  /** Runtime handler that capable nodes list in `status.runtimeHandlers`. */
  runtimeHandler: z.string().default('nydus'),
  /** RuntimeClass set on rewritten Pods; empty where Nydus is every node's default snapshotter. */
  runtimeClassName: z.string().default('nydus'),
  registries: z.array(RegistrySettings).default([]),
  /** Networks of the cluster (CIDR), as of its Services and Pods: only what `registries` lists may be, or lead, there. */
  refusedNetworks: z
    .array(z.union([z.cidrv4(), z.cidrv6()]))
    .max(64)
    .default([]),
  providers: z.array(ProviderSettings).default([]),
  prometheus: PrometheusSettings.optional(),
  conversion: z.strictObject({
    /** Image of the Jobs: the operator's own. */
    image: z.string(),
    imagePullSecrets: z.array(z.string()).default([]),
    /** Conversion Jobs that may run at once in the cluster, shared fairly between namespaces, and as many Jobs that copy to regions. */
    maxConcurrent: z.int().min(1).default(4),
    /** Conversion Jobs that may read from one registry at once, and as many that copy to one. */
    maxConcurrentPerRegistry: z.int().min(1).default(2),
    /** Size limit of a Job's scratch volume. */
    workSizeLimit: z.string().default('20Gi'),
  }),
  webhook: z
    .strictObject({
      /** PEM bundle; callers of the webhook then have to show a certificate that it signs. Anybody may call when empty. */
      clientCA: z.string().refine(isCertificateOrEmpty, { error: 'this is no certificate in PEM' }).default(''),
      /** Common names that the certificates of callers must have; any when empty. */
      clientNames: z.array(z.string()).default([]),
    })
    .prefault({})
    .refine(({ clientCA, clientNames }) => clientCA !== '' || clientNames.length === 0, {
      error: 'clientNames needs clientCA: without certificates callers have no names',
    }),
  admission: z
    .strictObject({
      /** Who rewrites Pods: the operator's webhook, or the API server itself by a MutatingAdmissionPolicy. */
      mode: z.enum(['Webhook', 'Policy']).default('Webhook'),
    })
    .prefault({}),
  hold: z
    .strictObject({
      /** Whether Pods may be held, which needs a releaser beside the operator and the right to patch Pods. */
      enabled: z.boolean().default(false),
      /** Lease in the operator's namespace that the releaser renews. */
      lease: z.string().min(1).default('slipstream-release'),
    })
    .prefault({}),
  notifications: z
    .strictObject({
      /** Whether registries may say that a tag was pushed, so that it is resolved at once. */
      enabled: z.boolean().default(false),
      /** Secret in the operator's namespace; each of its values is a token with which they may. */
      tokenSecret: z.string().max(253).default(''),
    })
    .prefault({})
    .refine(({ enabled, tokenSecret }) => !enabled || tokenSecret !== '', {
      error: 'notifications need a tokenSecret: without a token nobody may send one',
    }),
  trust: TrustSettings.prefault({}),
  rewriting: z
    .strictObject({
      /** Kinds of Pod owners, as `Kind.group`, that do not mind a changed image, beside the built-in workloads. */
      extraOwnerKinds: z.array(z.string()).default([]),
      /** Kinds of Pod owners, as `Kind.group`, whose Pods are left alone, built-in workloads or not. */
      excludedOwnerKinds: z.array(z.string()).default([]),
    })
    .prefault({}),
});
export type Config = Readonly<z.infer<typeof Config>>;

function refusePublicKey(pem: string, context: z.RefinementCtx): void {
  try {
    parsePublicKey(pem);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof KeyError ? error.message : 'this is no public key' });
  }
}

function isCertificateOrEmpty(pem: string): boolean {
  try {
    return pem === '' || new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

/** Says which setting is wrong, and how. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/**
 * Reads and validates the configuration file (YAML).
 * @throws ConfigError naming the file, each wrong field and what is wrong with it.
 */
export async function loadConfig(path: string): Promise<Config> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new ConfigError(`cannot read the configuration file ${path}: ${String(error)}`, { cause: error });
  });
  return parseConfig(text, path);
}

/**
 * Parses and validates the configuration (YAML).
 * @param from where it is from, for errors
 * @throws ConfigError naming that place, each wrong field and what is wrong with it.
 */
export function parseConfig(text: string, from: string): Config {
  let raw: unknown;
  try {
    raw = load(text);
  } catch (error) {
    throw new ConfigError(`${from} is not YAML: ${String(error)}`, { cause: error });
  }
  const parsed = Config.safeParse(raw);
  if (!parsed.success) {
    throw new ConfigError(`${from} is not valid:\n${z.prettifyError(parsed.error)}`);
  }
  return Object.freeze(parsed.data);
}

/** What decisions about Pods need of the configuration. */
export function rewriteConfig(
  { runtimeHandler, runtimeClassName, rewriting }: Pick<Config, 'runtimeHandler' | 'runtimeClassName' | 'rewriting'>,
  operatorNamespace: string,
): RewriteConfig {
  const { extraOwnerKinds, excludedOwnerKinds } = rewriting;
  const ownerKinds = [...WORKLOAD_KINDS, ...extraOwnerKinds].filter((kind) => !excludedOwnerKinds.includes(kind));
  return { operatorNamespace, runtimeHandler, runtimeClassName, ownerKinds };
}
