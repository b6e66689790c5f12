import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  at,
  autoscaler,
  decision,
  DEPLOYMENT,
  newPod,
  OLD_REPLICA_SET,
  pulledEvent,
  type Way,
} from '../../test/support/scaleout.ts';
import { pod } from '../../test/gen/objects.ts';
import type { HorizontalPodAutoscaler } from '../kube/resources.ts';
import { decisionsOf, scaleOutsOf } from './decisions.ts';
import { membersOf, type ReplicaSets, type Workload } from './members.ts';
import { phasesOf, type Phases } from './phases.ts';
import { advance, withPull } from './pods.ts';
import { pullsOf } from './pulls.ts';
import { summaryOf } from './summary.ts';
import type { Decision } from '../api/v1alpha1/prefetchpolicy.ts';
import { timelineOf, type Timeline } from './timeline.ts';

const REPLICA_SETS: ReplicaSets = new Map([
  [OLD_REPLICA_SET, { createdMs: Date.parse('2026-01-01T00:00:00Z'), owner: DEPLOYMENT.uid }],
  ['uid-web-2', { createdMs: Date.parse(at('00:50')), owner: DEPLOYMENT.uid }],
  ['uid-other-1', { createdMs: Date.parse('2026-01-01T00:00:00Z'), owner: 'uid-other' }],
]);

interface World {
  decision?: Decision | undefined;
  history?: Decision[];
  hpa?: HorizontalPodAutoscaler;
  pods?: Readonly<Record<string, Way>>;
  replicaSets?: ReplicaSets;
}

/** The time lines of a workload, newest first, as the API server's objects tell them. */
function timelines({ hpa = autoscaler(), pods = {}, replicaSets = REPLICA_SETS, ...status }: World): Timeline[] {
  const all = Object.entries(pods).map(([name, way]) => advance(undefined, newPod(name, way), undefined));
  return scaleOutsOf(status, hpa).map((scaleOut) => {
    const members = scaleOut.window === undefined ? [] : membersOf(all, scaleOut.window, DEPLOYMENT, replicaSets);
    return timelineOf({ ...scaleOut, pods: members });
  });
}

function newest(world: World): Timeline {
  const [timeline] = timelines(world);
  assert.ok(timeline);
  return timeline;
}

function names(timeline: Timeline | undefined): string[] | undefined {
  return timeline?.pods.map(({ name }) => name);
}

const TWO: Readonly<Record<string, Way>> = {
  a: { created: '00:45', scheduled: '00:45', started: '00:47', ready: '00:48' },
  b: { created: '00:46', scheduled: '00:46', started: '00:49', ready: '00:51' },
};

describe('phases', () => {
  const TABLE: Readonly<Record<string, { world: World; phases: Phases; summary: string }>> = {
    'a warm that was in time, and two Pods': {
      world: { decision: decision(), pods: TWO },
      phases: {
        decisionLead: 44.88,
        decisionToWarmStarted: 0.28,
        warm: 2.85,
        lead: 41.75,
        scaledToFirstPodCreated: 0,
        scaledToFirstPodReady: 3,
        scaledToAllReady: 6,
        podReadyP50: 3,
      },
      summary:
        'warm verified 41.8 s before the first new Pod; last Pod Ready 6.0 s after the scale-out (p50 3.0 s from created)',
    },
    'a warm that came too late': {
      world: { decision: decision({ warmVerifiedAt: at('00:48.000') }), pods: TWO },
      phases: {
        decisionLead: 44.88,
        decisionToWarmStarted: 0.28,
        warm: 47.6,
        lead: -3,
        scaledToFirstPodCreated: 0,
        scaledToFirstPodReady: 3,
        scaledToAllReady: 6,
        podReadyP50: 3,
      },
      summary:
        'warm verified 3.0 s after the first new Pod, too late for it; last Pod Ready 6.0 s after the scale-out (p50 3.0 s from created)',
    },
    'images that were warm before, and were warmed again after an eviction': {
      world: {
        decision: decision({ warmVerifiedAt: at('00:00.000'), warmStartedAt: at('00:20.000') }),
        pods: { a: TWO['a'] ?? { created: '00:45' } },
        hpa: autoscaler({ desiredReplicas: 2 }),
      },
      phases: {
        decisionLead: 44.88,
        decisionToWarmStarted: 19.88,
        lead: 45,
        scaledToFirstPodCreated: 0,
        scaledToFirstPodReady: 3,
        scaledToAllReady: 3,
        podReadyP50: 3,
      },
      summary: 'warm verified 45.0 s before the first new Pod; last Pod Ready 3.0 s after the scale-out',
    },
    'one Pod of two that is not there yet': {
      world: { decision: decision(), pods: { a: TWO['a'] ?? { created: '00:45' } } },
      phases: {
        decisionLead: 44.88,
        decisionToWarmStarted: 0.28,
        warm: 2.85,
        lead: 41.75,
        scaledToFirstPodCreated: 0,
        scaledToFirstPodReady: 3,
        podReadyP50: 3,
      },
      summary: 'warm verified 41.8 s before the first new Pod; 1 of 2 new Pods Ready',
    },
    'a decision that warmed nothing': {
      world: { decision: decision({ warmStartedAt: undefined, warmVerifiedAt: undefined }) },
      phases: {},
      summary: 'nothing was warmed; 0 of 2 new Pods Ready',
    },
    'a warm that failed': {
      world: { decision: decision({ warmVerifiedAt: undefined }) },
      phases: { decisionToWarmStarted: 0.28 },
      summary: 'the warm was not verified; 0 of 2 new Pods Ready',
    },
    'an autoscaler that has not scaled': {
      world: {
        decision: decision({ scaledAt: undefined }),
        hpa: autoscaler({ lastScaleTime: at('00:00').replace('T12', 'T09') }),
      },
      phases: { decisionToWarmStarted: 0.28, warm: 2.85 },
      summary: 'warm verified, no new Pod yet; the autoscaler has not scaled out',
    },
    'a scale-out that nothing foresaw': {
      world: { pods: TWO },
      phases: {
        scaledToFirstPodCreated: 0,
        scaledToFirstPodReady: 3,
        scaledToAllReady: 6,
        podReadyP50: 3,
      },
      summary:
        'no decision of its own came before it; last Pod Ready 6.0 s after the scale-out (p50 3.0 s from created)',
    },
  };
  for (const [name, { world, phases, summary }] of Object.entries(TABLE)) {
    test(name, () => {
      const timeline = newest(world);
      const rounded = Object.fromEntries(
        Object.entries(phasesOf(timeline)).map(([phase, seconds]: [string, number]) => [
          phase,
          Number(seconds.toFixed(3)),
        ]),
      );
      assert.deepEqual(rounded, phases);
      assert.equal(summaryOf(timeline), summary);
    });
  }
});

describe('the Pods of a scale-out', () => {
  /** Adds more Pods than there are, so that it is not the number that leaves some out. */
  const MANY = autoscaler({ desiredReplicas: 9 });

  test('those that were there before, and those of other owners, are none', () => {
    const timeline = newest({
      decision: decision(),
      hpa: MANY,
      pods: { old: { created: '00:43' }, other: { created: '00:46', owner: 'uid-other-1' }, ...TWO },
    });
    assert.deepEqual(names(timeline), ['a', 'b']);
  });

  test('a Pod of the second before is one: its time may be of a clock that is a little behind', () => {
    assert.deepEqual(names(newest({ decision: decision(), pods: { a: { created: '00:44' } } })), ['a']);
  });

  test('Pods that a rollout puts in place of others are none', () => {
    const timeline = newest({
      decision: decision(),
      hpa: MANY,
      pods: { ...TWO, c: { created: '00:51', owner: 'uid-web-2' } },
    });
    assert.deepEqual(names(timeline), ['a', 'b']);
  });

  test('Pods of a ReplicaSet that is gone are none, and those of one that may not be read are', () => {
    assert.deepEqual(names(newest({ decision: decision(), pods: TWO, replicaSets: new Map() })), []);
    const forbidden = new Map([[OLD_REPLICA_SET, 'Forbidden']] as const);
    assert.deepEqual(names(newest({ decision: decision(), pods: TWO, replicaSets: forbidden })), ['a', 'b']);
  });

  test('more Pods than were added replace others: the first count', () => {
    const timeline = newest({ decision: decision(), pods: { ...TWO, c: { created: '05:00' } } });
    assert.deepEqual(names(timeline), ['a', 'b']);
  });

  test('two scale-outs in a row: each has its own, of one decision and of two', () => {
    const first = decision({ expectedReplicas: 9 });
    const pods = { ...TWO, c: { created: '01:15' }, d: { created: '01:16' } };
    const hpa = autoscaler({ lastScaleTime: at('01:15'), desiredReplicas: 5 });
    const steps = timelines({ decision: first, hpa, pods });
    assert.deepEqual(steps.map(names), [
      ['c', 'd'],
      ['a', 'b'],
    ]);
    assert.deepEqual(
      steps.map(({ decided }) => decided === undefined),
      [true, false],
    );
    const second = decision({ at: at('01:00.000'), scaledAt: at('01:15'), currentReplicas: 3, expectedReplicas: 5 });
    const decisions = timelines({ decision: second, history: [{ ...first, outcome: 'Foreseen' }], hpa, pods });
    assert.deepEqual(decisions.map(names), [
      ['c', 'd'],
      ['a', 'b'],
    ]);
    assert.deepEqual(
      decisions.map(({ replicas }) => replicas),
      [{ from: 3, to: 5 }, undefined],
    );
  });

  test('of a StatefulSet only those of higher numbers than before', () => {
    const workload: Workload = { kind: 'StatefulSet', name: 'db', uid: 'uid-db', firstOrdinal: 1 };
    const owner = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 'uid-db', controller: true };
    const pods = ['db-1', 'db-2', 'db-3'].map((name) =>
      advance(
        undefined,
        pod(name, { metadata: { creationTimestamp: at('00:46'), ownerReferences: [owner] } }),
        undefined,
      ),
    );
    const members = membersOf(pods, { fromMs: Date.parse(at('00:45')), from: 1, to: 4 }, workload, new Map());
    assert.deepEqual(
      members.map(({ name }) => name),
      ['db-2', 'db-3'],
    );
  });
});

describe('decisions', () => {
  test('a false alarm is no scale-out, also while it is still the newest decision', () => {
    const wrong = decision({ scaledAt: undefined, outcome: 'FalseAlarm' });
    assert.deepEqual(decisionsOf({ decision: wrong, history: [wrong] }), []);
  });

  test('a new version that was warmed is no scale-out', () => {
    assert.deepEqual(decisionsOf({ decision: decision({ trigger: 'NewVersion', scaledAt: undefined }) }), []);
  });

  test('a scale-out follows the decision before it, recorded or not', () => {
    const timeline = newest({ decision: decision({ scaledAt: undefined }), pods: TWO });
    assert.deepEqual(names(timeline), ['a', 'b']);
    assert.ok(timeline.decided);
  });

  test('a scale-in does not', () => {
    const hpa = autoscaler({ desiredReplicas: 1 });
    assert.equal(newest({ decision: decision({ scaledAt: undefined }), hpa }).scaled, undefined);
  });
});

describe('times', () => {
  test('one that was rounded down never lies before what it follows on', () => {
    const seen = new Date(at('00:45.700'));
    const added = advance(undefined, newPod('a', { created: '00:45' }), seen);
    const started = advance(added, newPod('a', { created: '00:45', scheduled: '00:45', started: '00:45' }), undefined);
    const { pods, notes } = timelineOf({ pods: [started] });
    assert.deepEqual(notes, []);
    assert.deepEqual(
      [pods[0]?.created.ms, pods[0]?.started?.ms].map((ms) => new Date(ms ?? 0).toISOString()),
      [at('00:45.700'), at('00:45.700')],
    );
  });

  test('what was seen to happen has its own time, and a Pod that wavers was Ready when it first was', () => {
    const first = advance(undefined, newPod('a', { created: '00:45', ready: '00:48' }), new Date(at('00:48.321')));
    const later = advance(first, newPod('a', { created: '00:45', ready: '00:59' }), new Date(at('00:59.100')));
    assert.deepEqual(later.ready, { ms: Date.parse(at('00:48.321')), whole: false });
  });

  test('clocks that differ are said to, and nothing is made up', () => {
    const pods = { a: { created: '00:45', scheduled: '00:45', started: '00:40', ready: '00:41' } };
    const { notes, pods: shown } = newest({ decision: decision(), pods });
    assert.deepEqual(notes, [
      'Pod a (node node-1) is recorded as started 5.0 s before it was scheduled: the clocks of the machines differ, so look at the times of one machine only.',
    ]);
    assert.equal(shown[0]?.started?.ms, Date.parse(at('00:40')));
  });

  test('a container that was restarted has no known start', () => {
    const restarted = newPod('a', { created: '00:45', started: '09:00' });
    const statuses = restarted.status?.containerStatuses?.map((status) => ({ ...status, restartCount: 1 }));
    const times = advance(undefined, { ...restarted, status: { containerStatuses: statuses ?? [] } }, undefined);
    assert.equal(times.started, undefined);
  });
});

describe('pulls', () => {
  const TABLE: readonly [note: string, seconds: number | undefined, present: boolean][] = [
    ['Successfully pulled image "r.test/a:1" in 1.204s (1.5s including waiting). Image size: 9 bytes.', 1.204, false],
    ['Successfully pulled image "r.test/a:1" in 1m2.5s (1m2.5s including waiting)', 62.5, false],
    ['Successfully pulled image "r.test/a:1" in 350ms', 0.35, false],
    ['Successfully pulled image "r.test/a:1"', undefined, false],
    ['Container image "r.test/a:1" already present on machine', undefined, true],
    ['Container image "r.test/a:1" already present on machine and can be accessed by the pod', undefined, true],
  ];
  for (const [note, seconds, present] of TABLE) {
    test(note, () => {
      const pull = pullsOf([pulledEvent('a', '00:46', note)]).get('uid-a');
      assert.deepEqual(pull, {
        at: { ms: Date.parse(at('00:46')), whole: true },
        ...(seconds === undefined ? {} : { seconds }),
        present,
      });
    });
  }

  test('several containers: the last counts, the seconds add up, and a pull at a restart does not matter', () => {
    const pull = pullsOf([
      pulledEvent('a', '20:00', 'Successfully pulled image "x" in 9s'),
      pulledEvent('a', '00:46', 'Successfully pulled image "x" in 2s'),
      pulledEvent('a', '00:49', 'Successfully pulled image "y" in 3s', 'proxy'),
      pulledEvent('a', '30:00', 'Container image "x" already present on machine'),
    ]).get('uid-a');
    assert.deepEqual(pull, { at: { ms: Date.parse(at('00:49')), whole: true }, seconds: 5, present: false });
    const times = withPull(advance(undefined, newPod('a', { created: '00:45' }), undefined), pull);
    assert.equal(times.pulled?.ms, Date.parse(at('00:49')));
  });
});
