import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage } from '../../../test/gen/objects.ts';
import type { AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { stalled } from '../reconcile-error.ts';
import { replication, type ReplicaStatus } from './replication.ts';
import { summarise } from './summary.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const DIGEST = `sha256:${'a'.repeat(64)}`;
const OLD = `sha256:${'0'.repeat(64)}`;
const IMAGE = acceleratedImage('web', {
  spec: { replicas: ['eu', 'us'].map((region) => ({ region, repository: `registry.${region}.test/web` })) },
});

function copy(region: string, more: Partial<ReplicaStatus> = {}): ReplicaStatus {
  return { region, hash: 'h', image: `registry.${region}.test/web@${DIGEST}`, digest: DIGEST, state: 'Ready', ...more };
}

function drafted(...replicas: ReplicaStatus[]): AcceleratedImageStatus {
  const artifact = { image: `a@${DIGEST}`, digest: DIGEST, sourceDigest: OLD, format: '', builder: '', platforms: [] };
  const source = { image: 'registry.test/web:1', digest: OLD, resolvedAt: NOW.toISOString() };
  return { source, artifact: { ...artifact, convertedAt: NOW.toISOString() }, replicas };
}

function said(...replicas: ReplicaStatus[]): string {
  const { status, reason } = replication(IMAGE, drafted(...replicas)) ?? {};
  return `${status} ${reason}`;
}

test('it is Replicated when every region of the spec has its copy', () => {
  assert.equal(said(copy('eu'), copy('us')), 'True Replicated');
  assert.equal(said(copy('eu')), 'False ReplicationPending');
  assert.equal(said(copy('eu'), copy('asia')), 'False ReplicationPending');
});

test('a copy of an older artifact does not count', () => {
  assert.equal(said(copy('eu'), copy('us', { digest: OLD })), 'False ReplicationPending');
});

test('one that failed says which and why, beside those that are under way', () => {
  const eu = copy('eu', { state: 'Failed', reason: 'CredentialsRejected', message: 'push refused' });
  const result = replication(IMAGE, drafted(eu, copy('us', { state: 'Copying' })));
  assert.deepEqual([result?.reason, result?.message], ['ReplicationFailed', 'eu: push refused']);
});

test('without regions nothing is said of them', () => {
  assert.equal(replication(acceleratedImage('web'), drafted(copy('eu'))), undefined);
});

test('an object with copies that failed is Ready all the same, and says so in a column', () => {
  const draft = drafted(copy('eu'), copy('us', { state: 'Failed', reason: 'RegistryUnreachable' }));
  const { conditions, summary } = summarise(IMAGE, draft, { kind: 'done' }, NOW);
  assert.deepEqual(
    conditions?.map(({ type, status, reason }) => `${type} ${status} ${reason}`),
    ['Ready True Ready', 'Replicated False ReplicationFailed'],
  );
  assert.equal(summary?.copies, '1/2');
});

test('an object that stalls goes on saying how its copies stand', () => {
  const verdict = { kind: 'failed', error: stalled('PlatformMissing', 'none') } as const;
  const { conditions } = summarise(IMAGE, drafted(copy('eu'), copy('us')), verdict, NOW);
  assert.ok(conditions?.some(({ type, status }) => type === 'Replicated' && status === 'True'));
});
