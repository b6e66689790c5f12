import type { KubeClient, Selectors } from '../kube/client.ts';
import { isForbidden, isNotFound } from '../kube/errors.ts';
import type { Resource } from '../kube/resources.ts';
import type { SkipReason } from '../rewriting/reasons.ts';
import type { KubeObject } from '../runtime/object.ts';
import type { ListPage } from '../runtime/reflector.ts';

/** Objects in one page of a list. */
const PAGE_LIMIT = 500;

/** Something that the user may not read. */
export interface Gap {
  /** The right that is missing, such as `list nodes`. */
  readonly right: string;
  /** What cannot be told without it. */
  readonly unknown: string;
  /** A finding that means nothing without it, since it would be there in any case. */
  readonly masks?: SkipReason;
  /** The namespace whose Pods it matters to; every one where it is left out. */
  readonly namespace?: string;
}

/** Reads with the user's own rights, and keeps a list of what these do not allow. */
export interface Reader {
  readonly gaps: readonly Gap[];
  /** One object. Forbidden: the gap is on the list now. */
  get<T extends KubeObject>(
    resource: Resource<T>,
    ref: { readonly namespace?: string; readonly name: string },
    gap: Gap,
  ): Promise<T | 'Missing' | 'Forbidden'>;
  /** Every object that the selectors choose, of one namespace where one is named. Missing: the API server does not know the kind. */
  list<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    gap: Gap,
    selectors?: Omit<Selectors, 'namespace'>,
  ): Promise<readonly T[] | 'Missing' | 'Forbidden'>;
}

/** Makes a {@link Reader}. Beside what these two answers stand for, its calls throw what the client throws. */
export function createReader(client: KubeClient, signal: AbortSignal): Reader {
  const gaps: Gap[] = [];
  async function answered<T>(call: Promise<T>, gap: Gap): Promise<T | 'Missing' | 'Forbidden'> {
    try {
      return await call;
    } catch (error) {
      if (isNotFound(error)) {
        return 'Missing';
      }
      if (isForbidden(error)) {
        gaps.push(gap);
        return 'Forbidden';
      }
      throw error;
    }
  }
  return {
    gaps,
    get: (resource, ref, gap) => answered(client.get(resource, ref, signal), gap),
    list: (resource, namespace, gap, selectors = {}) =>
      answered(listAll(client, resource, { ...selectors, namespace }, signal), gap),
  };
}

/**
 * What is read by a right without which nothing can be told.
 * @param right the right, such as `list pods in namespace shop`
 * @throws Error naming it where the user does not have it
 */
export async function needed<T>(
  right: string,
  read: (gap: Gap) => Promise<T | 'Missing' | 'Forbidden'>,
): Promise<T | 'Missing'> {
  const found = await read({ right, unknown: 'anything' });
  if (found === 'Forbidden') {
    throw new Error(`you may not ${right}, and without that nothing can be told: ask for that right`);
  }
  return found;
}

async function listAll<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  selectors: Selectors,
  signal: AbortSignal,
): Promise<readonly T[]> {
  const items: T[] = [];
  let page: ListPage<T> | undefined;
  do {
    const next: { continue?: string } = page?.continue === undefined ? {} : { continue: page.continue };
    page = await client.list(resource, { ...selectors, limit: PAGE_LIMIT, ...next }, signal);
    items.push(...page.items);
  } while (page.continue !== undefined);
  return items;
}
