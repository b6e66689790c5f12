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
}

const Entry = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});
const DockerConfig = z.object({ auths: z.record(z.string(), Entry).default({}) });

interface Rule {
  host: RegExp;
  wildcard: boolean;
  path: string;
  credentials: Credentials;
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
  const rules = Object.entries(parsed.data.auths)
    .flatMap(([key, entry]) => ruleOf(key, entry) ?? [])
    .toSorted((a, b) => b.path.length - a.path.length || Number(a.wildcard) - Number(b.wildcard));
  return {
    lookup(registry, repository) {
      const host = canonicalHost(registry);
      return rules.find((rule) => rule.host.test(host) && contains(rule.path, repository))?.credentials;
    },
  };
}

function ruleOf(key: string, entry: z.infer<typeof Entry>): Rule | undefined {
  const credentials = credentialsOf(entry);
  const [host = '', ...path] = key
    .replace(/^https?:\/\//, '')
    .replace(/^([^/]*)\/v[12](?:\/|$)/, '$1/')
    .split('/');
  if (credentials === undefined || host === '') {
    return undefined;
  }
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

function credentialsOf({ auth, username, password, identitytoken }: z.infer<typeof Entry>): Credentials | undefined {
  const decoded = auth === undefined ? '' : Buffer.from(auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  const pair =
    colon === -1 ? { username, password } : { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
  if (identitytoken !== undefined && identitytoken !== '') {
    return { username: pair.username, identityToken: identitytoken };
  }
  return pair.username === undefined || pair.username === '' ? undefined : pair;
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
