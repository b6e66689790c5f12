import { isDigest } from './digest.ts';

/** Name of Docker Hub in references. Its API answers on another host, see {@link apiHost}. */
const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_API = 'registry-1.docker.io';
const DOCKER_HUB_ALIAS = 'index.docker.io';

const HOST =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(?::[0-9]{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;
const REPOSITORY_MAX = 255;
const TAG = /^\w[\w.-]{0,127}$/;
const IMAGE_ID = /^[0-9a-f]{64}$/;

/** A repository of a registry. */
export interface Repository {
  /** Host and, if given, port: `docker.io`, `registry.example.com:5000`, `[::1]:5000`. */
  registry: string;
  /** Path below the registry: `library/nginx`. */
  repository: string;
}

/** An image in a registry, by tag, by digest, or by both; the digest decides. */
export interface Reference extends Repository {
  tag?: string;
  digest?: string;
}

/** The text is no image reference; the message says which part of it is wrong. */
export class InvalidReferenceError extends Error {
  override name = 'InvalidReferenceError';
}

/**
 * Parses an image reference as Docker, containerd and the kubelet do: `nginx` is `docker.io/library/nginx:latest`, and the
 * first component is a host only if it holds a dot or a colon, or is `localhost`. Follows github.com/distribution/reference,
 * but that hosts come out in lower case (so one of upper-case letters alone is none), and that digests are sha256.
 * @throws InvalidReferenceError
 */
export function parseReference(text: string): Reference {
  const [named = '', digest, ...rest] = text.split('@');
  if (rest.length > 0) {
    throw invalid(text, 'it has more than one "@"');
  }
  if (digest !== undefined && !isDigest(digest)) {
    throw invalid(text, 'the digest must be "sha256:" and 64 lower-case hex digits');
  }
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const name = colon === -1 ? named : named.slice(0, colon);
  const tag = colon === -1 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) {
    throw invalid(text, 'a tag is 1 to 128 letters, digits, "_", "." and "-", and does not start with "." or "-"');
  }
  if (IMAGE_ID.test(name)) {
    throw invalid(text, '64 hex digits are the ID of a local image, which no registry knows');
  }
  const repository = splitHost(name);
  checkRepository(repository, text);
  if (digest !== undefined) {
    return tag === undefined ? { ...repository, digest } : { ...repository, tag, digest };
  }
  return { ...repository, tag: tag ?? 'latest' };
}

/** `registry/repository[:tag][@digest]`, never shortened. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  const tagged = tag === undefined ? '' : `:${tag}`;
  return `${registry}/${repository}${tagged}${digest === undefined ? '' : `@${digest}`}`;
}

/** The host that serves the registry's API: its own name, but for Docker Hub. */
export function apiHost(registry: string): string {
  return registry === DOCKER_HUB ? DOCKER_HUB_API : registry;
}

/** Brings the names of Docker Hub's hosts and upper-case spellings together, so that hosts can be compared. */
export function canonicalHost(host: string): string {
  const lower = host.toLowerCase();
  return lower === DOCKER_HUB_ALIAS || lower === DOCKER_HUB_API ? DOCKER_HUB : lower;
}

/**
 * Guards what goes into a URL: a reference need not have come from {@link parseReference}.
 * @throws InvalidReferenceError where host, repository, tag or digest do not follow the grammar.
 */
export function checkReference(reference: Reference): void {
  const text = formatReference(reference);
  checkRepository(reference, text);
  if (reference.tag !== undefined && !TAG.test(reference.tag)) {
    throw invalid(text, 'the tag is none');
  }
  if (reference.digest !== undefined && !isDigest(reference.digest)) {
    throw invalid(text, 'the digest must be "sha256:" and 64 lower-case hex digits');
  }
}

/** Whether a text is a tag (OCI Distribution, "Pulling manifests"). */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

function splitHost(name: string): Repository {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const isHost = /[.:]/.test(first) || first === 'localhost';
  const registry = isHost ? first.toLowerCase() : DOCKER_HUB;
  const path = isHost ? name.slice(slash + 1) : name;
  if (registry !== DOCKER_HUB && registry !== DOCKER_HUB_ALIAS) {
    return { registry, repository: path };
  }
  return { registry: DOCKER_HUB, repository: path.includes('/') ? path : `library/${path}` };
}

function checkRepository({ registry, repository }: Repository, text: string): void {
  if (!HOST.test(registry) || !URL.canParse(`https://${registry}`)) {
    throw invalid(text, `"${registry}" is not a host, or a host and a port`);
  }
  if (repository !== repository.toLowerCase()) {
    throw invalid(text, `the repository "${repository}" must be in lower case`);
  }
  if (!REPOSITORY.test(repository)) {
    throw invalid(text, 'a repository is lower-case letters and digits, parted by "/", ".", "_", "__" or "-"');
  }
  if (repository.length > REPOSITORY_MAX) {
    throw invalid(text, `the repository is longer than ${REPOSITORY_MAX} characters`);
  }
}

function invalid(text: string, why: string): InvalidReferenceError {
  return new InvalidReferenceError(`"${text.slice(0, 300)}" is not an image reference: ${why}`);
}
