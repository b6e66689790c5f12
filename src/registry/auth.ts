import { z } from 'zod';
import { RegistryError } from './errors.ts';
import { canonicalHost } from './reference.ts';

/** What a registry or its token service knows a client by: a user name and password, or an OAuth2 refresh token. */
export interface Credentials {
  username?: string | undefined;
  password?: string | undefined;
  /** Exchanged for access tokens instead of the password; Docker's `identitytoken`. */
  identityToken?: string | undefined;
}

/** Credentials by registry. */
export interface CredentialStore {
  /** The credentials whose key names the repository most closely, or undefined: go on as anonymous. */
  lookup(registry: string, repository: string): Credentials | undefined;
  /**
   * Why there are no credentials for a repository although there is an entry for it, or undefined where there is nothing to say.
   * It shows nothing of the entry but its key.
   */
  problem(registry: string, repository: string): string | undefined;
}

const Entry = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});
const DockerConfig = z.object({
  auths: z.record(z.string(), Entry).default({}),
  credHelpers: z.record(z.string(), z.string()).default({}).catch({}),
  credsStore: z.string().default('').catch(''),
});
type DockerConfig = z.infer<typeof DockerConfig>;

interface Rule {
  host: RegExp;
  wildcard: boolean;
  path: string;
  /** A text says why there are none. */
  credentials: Credentials | string;
}

/**
 * Reads a docker config JSON, as Secrets of type kubernetes.io/dockerconfigjson hold it. Keys are matched as the kubelet
 * matches them (Kubernetes documentation, "Images", "Interpretation of config.json"): `host`, `host/path`, with or without
 * a scheme and `/v1/` or `/v2/`, and `*` for one label of the host; but a path only matches whole components.
 * @throws RegistryError of kind Invalid. Its message and cause show nothing of the text, which is a secret.
 */
export function parseDockerConfig(text: string): CredentialStore {
  const parsed = DockerConfig.safeParse(parseJson(text));
  if (!parsed.success) {
    const paths = parsed.error.issues.map((issue) => issue.path[issue.path.length - 1]).join(', ');
    throw unreadable(`wrong type of ${paths === '' ? 'the document' : paths}`);
  }
  const rules = [
    ...Object.entries(parsed.data.auths).map(([key, entry]) => ruleOf(key, credentialsOf(key, entry, parsed.data))),
    ...Object.entries(parsed.data.credHelpers).map(([key, helper]) => ruleOf(key, elsewhere(key, helper))),
  ]
    .filter(({ host }) => host.source !== '^$')
    .toSorted((a, b) => b.path.length - a.path.length || Number(a.wildcard) - Number(b.wildcard));
  const matching = (registry: string, repository: string): Rule['credentials'][] => {
    const host = canonicalHost(registry);
    return rules
      .filter((rule) => rule.host.test(host) && contains(rule.path, repository))
      .map(({ credentials }) => credentials);
  };
  return {
    lookup: (registry, repository) => matching(registry, repository).find((found) => typeof found !== 'string'),
    problem(registry, repository) {
      const all = matching(registry, repository);
      return all.every((found) => typeof found === 'string') ? all[0] : undefined;
    },
  };
}

function ruleOf(key: string, credentials: Rule['credentials']): Rule {
  const [host = '', ...path] = key
    .replace(/^https?:\/\//, '')
    .replace(/^([^/]*)\/v[12](?:\/|$)/, '$1/')
    .split('/');
  const pattern = canonicalHost(host)
    .replace(/[^a-z0-9*]/g, '\\$&')
    .replaceAll('*', '[^.:]*');
  return {
    host: new RegExp(`^${pattern}$`),
    wildcard: host.includes('*'),
    path: path.filter(Boolean).join('/'),
    credentials,
  };
}

function credentialsOf(
  key: string,
  { auth = '', username, password, identitytoken = '' }: z.infer<typeof Entry>,
  { credsStore, credHelpers }: DockerConfig,
): Rule['credentials'] {
  const decoded = Buffer.from(auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  const pair =
    colon === -1 ? { username, password } : { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
  if (identitytoken !== '') {
    return { username: pair.username, identityToken: identitytoken };
  }
  if (pair.username !== undefined && pair.username !== '') {
    return pair;
  }
  if (auth !== '') {
    return `the auth of its entry ${key} is not the base64 of "user:password"`;
  }
  const helper = credHelpers[key] ?? credsStore;
  return helper === ''
    ? `its entry ${key} has neither an auth nor a username; make the Secret with "kubectl create secret docker-registry"`
    : elsewhere(key, helper);
}

function elsewhere(key: string, helper: string): string {
  return (
    `the credentials of ${key} are not in it but in the credential helper "${helper}" of the machine that it was made on; ` +
    'make the Secret with "kubectl create secret docker-registry"'
  );
}

function contains(path: string, repository: string): boolean {
  return path === '' || repository === path || repository.startsWith(`${path}/`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unreadable('not JSON');
  }
}

function unreadable(what: string): RegistryError {
  return new RegistryError(
    'Invalid',
    `the registry credentials are no docker config (${what}): make the Secret with "kubectl create secret docker-registry"`,
  );
}
