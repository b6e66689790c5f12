import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeJob } from './learn-job.ts';

const JOB = nodeJob({
  namespace: 'slipstream-system',
  name: 'slipstream-learn-x',
  node: 'node-1',
  image: 'registry.test/slipstream:1',
  imagePullSecrets: [{ name: 'regcred' }],
  request: { do: 'find', socket: '/host/system.sock', image: 'web' },
  files: [{ path: '/run/nydus/system.sock', type: 'Socket', at: '/host/system.sock' }],
});
const POD = JOB.spec?.template?.spec;

test('the Job sees the one file of the node that it needs, and holds nothing else', () => {
  assert.deepEqual(POD?.volumes, [{ name: 'file-0', hostPath: { path: '/run/nydus/system.sock', type: 'Socket' } }]);
  assert.deepEqual(POD.containers?.[0]?.volumeMounts, [
    { name: 'file-0', mountPath: '/host/system.sock', readOnly: true },
  ]);
  assert.equal(POD.automountServiceAccountToken, false);
  assert.deepEqual(POD.containers?.[0]?.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
});

test('the Job ends and goes by itself, even if the command that made it is gone', () => {
  assert.equal(JOB.spec?.activeDeadlineSeconds, 120);
  assert.equal(JOB.spec.ttlSecondsAfterFinished, 60);
  assert.equal(JOB.spec.backoffLimit, 0);
});

test('the Job runs on that very node, whatever its taints are, from the image of the operator', () => {
  assert.equal(POD?.nodeName, 'node-1');
  assert.deepEqual(POD.tolerations, [{ operator: 'Exists' }]);
  assert.equal(POD.containers?.[0]?.image, 'registry.test/slipstream:1');
  assert.deepEqual(POD.imagePullSecrets, [{ name: 'regcred' }]);
});
