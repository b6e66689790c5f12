import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadAll } from 'js-yaml';
import { z } from 'zod';
import type { KubeClient } from '../../src/kube/client.ts';

const PATH = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

const POLL_MS = 50;

const CustomResourceDefinition = z.looseObject({
  kind: z.literal('CustomResourceDefinition'),
  metadata: z.object({ name: z.string() }),
});

const Conditions = z.object({
  // Null until the API server has looked at it.
  status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).nullish() }).optional(),
});

/** Creates the CustomResourceDefinitions of YAML files and waits until their kinds are served. */
export async function installCRDs(client: KubeClient, files: readonly string[], signal: AbortSignal): Promise<void> {
  for (const file of files) {
    const documents = loadAll(await readFile(file, 'utf8')).filter((document) => document !== null);
    for (const document of documents) {
      const crd = CustomResourceDefinition.parse(document);
      await client.raw('POST', PATH, { body: document }, signal);
      await established(client, crd.metadata.name, signal);
    }
  }
}

async function established(client: KubeClient, name: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { status } = Conditions.parse(JSON.parse(await client.raw('GET', `${PATH}/${name}`, {}, signal)));
    if (status?.conditions?.some(({ type, status: value }) => type === 'Established' && value === 'True') === true) {
      return;
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}
