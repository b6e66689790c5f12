import { REWRITE_TABLE, type RewriteTable, type RewriteTableSpec } from '../../api/v1alpha1/rewritetable.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { rewriteTables } from '../../kube/resources.ts';
import type { RewriteIndex } from '../../rewriting/index.ts';
import { rewriteTable } from '../../rewriting/table.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Outcome, ReconcileContext } from '../../runtime/controller.ts';
import type { Key } from '../../runtime/object.ts';
import type { ReadStore } from '../../runtime/store.ts';
import { renewal } from './renewal.ts';

const FIELD_MANAGER = 'slipstream-admissionpolicy';

/** The only key of {@link removeRewriteTables}. */
export const EVERY_TABLE = 'tables';

export interface RewriteTableDependencies {
  client: KubeClient;
  tables: ReadStore<RewriteTable>;
  index: RewriteIndex;
  clock: Clock;
}

/**
 * Keeps the table of a namespace in step with the index, so that the API server rewrites what admission would: writes it
 * where there is something to rewrite, and takes it away where there is nothing any more.
 * @param namespace the key
 */
export async function reconcileRewriteTable(
  namespace: Key,
  { client, tables, index, clock }: RewriteTableDependencies,
  { log, signal }: ReconcileContext,
): Promise<Outcome | void> {
  const current = tables.get(`${namespace}/${REWRITE_TABLE}`);
  const now = clock.now();
  const { spec, leftOut } = rewriteTable(namespace, index, now);
  if (spec === undefined) {
    if (current !== undefined) {
      await remove(client, current, signal);
      log.info({ namespace }, 'nothing is left to rewrite in the namespace');
    }
    return;
  }
  const { write, again } = renewal(current?.spec, spec, now);
  if (write) {
    await apply(client, namespace, spec, signal);
    log.debug({ namespace, images: Object.keys(spec.images).length }, 'wrote what the API server is to rewrite');
    if (leftOut > 0) {
      log.warn({ namespace, leftOut }, 'the table is full: Pods of the images that were left out stay as they are');
    }
  }
  return { requeueAfter: again };
}

/** Takes away what another admission mode left behind; a cluster without the kind has nothing of it. */
export async function removeRewriteTables(client: KubeClient, { log, signal }: ReconcileContext): Promise<void> {
  const { items } = await client.list(rewriteTables, {}, signal).catch((error: unknown) => {
    if (isNotFound(error)) {
      return { items: [] };
    }
    throw error;
  });
  for (const table of items) {
    await remove(client, table, signal);
    log.info({ namespace: table.metadata.namespace }, 'removed a table: Pods are rewritten by the webhook');
  }
}

/** The namespace may be gone, or going: then so is the table. */
async function apply(
  client: KubeClient,
  namespace: string,
  spec: RewriteTableSpec,
  signal: AbortSignal,
): Promise<void> {
  await client
    .apply(
      rewriteTables,
      { metadata: { namespace, name: REWRITE_TABLE }, spec },
      { fieldManager: FIELD_MANAGER },
      signal,
    )
    .catch((error: unknown) => {
      if (!isNotFound(error)) {
        throw error;
      }
    });
}

async function remove(client: KubeClient, { metadata }: RewriteTable, signal: AbortSignal): Promise<void> {
  const { namespace, name } = metadata;
  await client.delete(rewriteTables, { namespace, name }, {}, signal).catch((error: unknown) => {
    if (!isNotFound(error)) {
      throw error;
    }
  });
}
