import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '../..');

const EVERYTHING_BELOW = [
  'api',
  'runtime',
  'kube',
  'observability',
  'rafs',
  'registry',
  'inspection',
  'converter',
  'replication',
  'trust',
  'dragonfly',
  'prometheus',
  'autoscaling',
  'rewriting',
  'scaleout',
  'holding',
  'backtest',
  'learn',
  'notifications',
  'warming',
  'config',
];

/** What each folder of src may import, beside libraries: the architecture in one table. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  api: [],
  runtime: ['api'],
  kube: ['api', 'runtime'],
  observability: ['runtime'],
  rafs: [],
  registry: [],
  inspection: ['api'],
  converter: ['api', 'inspection', 'rafs', 'registry'],
  replication: ['converter', 'registry'],
  trust: ['converter', 'registry'],
  dragonfly: ['registry'],
  prometheus: [],
  autoscaling: ['api'],
  rewriting: ['api', 'registry'],
  scaleout: ['api', 'autoscaling'],
  holding: ['api', 'autoscaling', 'rewriting', 'scaleout'],
  backtest: ['api', 'autoscaling'],
  learn: ['rafs', 'registry'],
  notifications: ['registry'],
  warming: ['api', 'converter', 'dragonfly', 'kube', 'rafs', 'registry', 'config'],
  controllers: EVERYTHING_BELOW,
  webhook: EVERYTHING_BELOW,
  cli: EVERYTHING_BELOW,
};
const FOLDERS = Object.keys(ALLOWED);

const Report = z.object({
  diagnostics: z.array(z.object({ code: z.string(), filename: z.string(), message: z.string(), help: z.string() })),
});

let tree: string;

// A copy of the lint configuration over a tree of one-line files, one for each import that somebody might write.
before(async () => {
  tree = await mkdtemp(join(tmpdir(), 'slipstream-lint-'));
  await copyFile(join(ROOT, '.oxlintrc.json'), join(tree, '.oxlintrc.json'));
  await copyFile(join(ROOT, 'tsconfig.json'), join(tree, 'tsconfig.json'));
  await symlink(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
});
after(() => rm(tree, { recursive: true, force: true }));

/** Lints files of the given texts; returns `file: what the rule says`, sorted. */
async function lint(files: Readonly<Record<string, string>>): Promise<string[]> {
  await rm(join(tree, 'src'), { recursive: true, force: true });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(tree, path, '..'), { recursive: true });
    await writeFile(join(tree, path), text);
  }
  const oxlint = join(ROOT, 'node_modules/oxlint/bin/oxlint');
  const { stdout } = await promisify(execFile)(process.execPath, [oxlint, '--format=json', 'src'], { cwd: tree }).catch(
    (error: { stdout: string }) => error,
  );
  return Report.parse(JSON.parse(stdout))
    .diagnostics.filter(({ code }) => code.startsWith('eslint(no-restricted-'))
    .map(
      ({ code, filename, message, help }) =>
        `${filename}: ${code.includes('globals') ? message.replace(/^Unexpected use of 'process'\. /, '') : help}`,
    )
    .toSorted();
}

test('each folder imports what the architecture allows, and nothing else', async () => {
  const files: Record<string, string> = {
    'src/operator.ts': 'export const x = 1;\n',
    'src/config.ts': 'export const x = 1;\n',
    'src/main.ts': 'export const x = 1;\n',
  };
  const forbidden: string[] = [];
  for (const folder of FOLDERS) {
    files[`src/${folder}/x.ts`] = 'export const x = 1;\n';
    for (const other of [...FOLDERS, 'config', 'operator', 'main']) {
      if (other === folder) continue;
      const target = FOLDERS.includes(other) ? `${other}/x.ts` : `${other}.ts`;
      files[`src/${folder}/top-${other}.ts`] = `export { x } from '../${target}';\n`;
      files[`src/${folder}/deep/${other}.ts`] = `export { x } from '../../${target}';\n`;
      if (ALLOWED[folder]?.includes(other)) continue;
      forbidden.push(`src/${folder}/deep/${other}.ts`, `src/${folder}/top-${other}.ts`);
    }
  }
  const said = await lint(files);
  assert.deepEqual(
    said.map((line) => line.split(': ')[0]),
    forbidden.toSorted(),
  );
});

test('the types of kube, and nothing more of it, are for the pure folders too', async () => {
  const said = await lint({
    'src/kube/resources.ts': 'export interface Pod { name: string }\nexport const pods = 1;\n',
    'src/rewriting/a.ts': "export type { Pod } from '../kube/resources.ts';\n",
    'src/rewriting/b.ts': "export { pods } from '../kube/resources.ts';\n",
    'src/registry/c.ts': "export type { Pod } from '../kube/resources.ts';\n",
    'src/scaleout/d.ts': "export type { Pod } from '../kube/resources.ts';\n",
    'src/scaleout/e.ts': "export { pods } from '../kube/resources.ts';\n",
  });
  assert.deepEqual(said, [
    'src/registry/c.ts: src/registry stands alone: it imports nothing else of src',
    'src/rewriting/b.ts: src/rewriting is pure: of src it may import api, registry and the types of kube only',
    'src/scaleout/e.ts: src/scaleout is pure: of src it may import api, autoscaling and the types of kube only',
  ]);
});

test('only src/kube imports the client library, only main.ts the process, and src never imports test', async () => {
  const client = "export { KubeConfig } from '@kubernetes/client-node';\n";
  const environment = 'export const home = process.env;\n';
  const said = await lint({
    'src/kube/client.ts': client,
    'src/controllers/client.ts': client,
    'src/config.ts': environment,
    'src/webhook/process.ts': environment,
    'src/webhook/sly.ts': "export { env } from 'node:process';\n",
    'src/main.ts': environment,
    'src/runtime/queue.ts': "export { x } from '../../test/support/x.ts';\n",
    'src/runtime/queue.test.ts': "import '../../test/support/x.ts';\n",
  });
  assert.deepEqual(said, [
    'src/config.ts: only src/main.ts touches the process: take what is needed as a parameter',
    'src/controllers/client.ts: only src/kube talks to the API server: use its KubeClient',
    'src/runtime/queue.ts: src is what ships: it never imports test or hack',
    'src/webhook/process.ts: only src/main.ts touches the process: take what is needed as a parameter',
    'src/webhook/sly.ts: only src/main.ts touches the process: take what is needed as a parameter',
  ]);
});

test('every folder of src stands in the table', async () => {
  const entries = await readdir(join(ROOT, 'src'), { withFileTypes: true });
  const unknown = entries.filter((entry) => entry.isDirectory() && !FOLDERS.includes(entry.name));
  assert.deepEqual(
    unknown.map(({ name }) => name),
    [],
    'give it a place here and in .oxlintrc.json',
  );
});
