import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPod } from '../rewriting/pod.ts';
import { parseSubjects, type Subject } from './subjects.ts';

const NAMESPACES = { wanted: undefined, fallback: 'default' };
const SPEC = 'spec: {containers: [{name: web, image: web}]}';

function parse(text: string, wanted?: string): readonly Subject[] {
  return parseSubjects(text, 'f.yaml', { ...NAMESPACES, wanted });
}

function ownerOf({ pod }: Subject): string {
  const { owner } = readPod(pod);
  return owner === undefined ? 'nobody' : `${owner.apiVersion} ${owner.kind}`;
}

test('the template of each built-in workload is owned by what will create its Pods', () => {
  const kinds = {
    'apps/v1 Deployment': 'apps/v1 ReplicaSet',
    'apps/v1 ReplicaSet': 'apps/v1 ReplicaSet',
    'apps/v1 StatefulSet': 'apps/v1 StatefulSet',
    'apps/v1 DaemonSet': 'apps/v1 DaemonSet',
    'batch/v1 Job': 'batch/v1 Job',
    'v1 ReplicationController': 'v1 ReplicationController',
  };
  for (const [type, owner] of Object.entries(kinds)) {
    const [apiVersion, kind] = type.split(' ');
    const [subject] = parse(
      `{apiVersion: ${apiVersion}, kind: ${kind}, metadata: {name: web}, spec: {template: {${SPEC}}}}`,
    );
    assert.ok(subject);
    assert.equal(ownerOf(subject), owner);
    assert.deepEqual({ ...subject, pod: {} }, { kind, namespace: 'default', name: 'web', pod: {}, exists: false });
  }
  const cron = `{kind: CronJob, apiVersion: batch/v1, spec: {jobTemplate: {spec: {template: {${SPEC}}}}}}`;
  assert.deepEqual(parse(cron).map(ownerOf), ['batch/v1 Job']);
  assert.deepEqual(parse(`{kind: Pod, apiVersion: v1, ${SPEC}}`).map(ownerOf), ['nobody']);
});

test('several documents and lists are read, and kinds without Pods are passed over', () => {
  const pod = (name: string): string => `{apiVersion: v1, kind: Pod, metadata: {name: ${name}}, ${SPEC}}`;
  const text = [
    pod('a'),
    '',
    '{apiVersion: v1, kind: Service, metadata: {name: web}}',
    `{apiVersion: v1, kind: List, items: [${pod('b')}, ${pod('c')}]}`,
    '{apiVersion: example.com/v1, kind: Deployment, metadata: {name: other}}',
  ].join('\n---\n');
  assert.deepEqual(
    parse(text).map(({ name }) => name),
    ['a', 'b', 'c'],
  );
});

test('a Pod that came out of a cluster exists', () => {
  const [subject] = parse(`{apiVersion: v1, kind: Pod, metadata: {name: a, uid: u1}, ${SPEC}}`);
  assert.equal(subject?.exists, true);
});

test("the manifest's namespace counts, then the one that is asked for, then the context's", () => {
  const own = `{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: team-a}, ${SPEC}}`;
  const none = `{apiVersion: v1, kind: Pod, metadata: {name: a}, ${SPEC}}`;
  assert.equal(parse(own)[0]?.namespace, 'team-a');
  assert.equal(parse(none, 'team-b')[0]?.namespace, 'team-b');
  assert.equal(parse(none)[0]?.namespace, 'default');
  assert.throws(() => parse(own, 'team-b'), /Pod a names the namespace team-a, not team-b; leave --namespace out/);
});

test('a manifest with nothing to explain says what is wrong with it', () => {
  const errors: Record<string, RegExp> = {
    'kind: [': /^Error: f\.yaml is not YAML: /,
    '': /f\.yaml holds nothing to explain: no Pod, Deployment, /,
    '{apiVersion: v1, kind: Service}': /holds nothing to explain/,
    'just text': /holds nothing to explain/,
    '{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}': /Deployment web has no containers/,
    '{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: no}}': /Pod web has no containers/,
  };
  for (const [text, error] of Object.entries(errors)) {
    assert.throws(() => parse(text), error);
  }
});
