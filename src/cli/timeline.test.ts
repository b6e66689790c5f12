import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { prefetchPolicy } from '../../test/gen/objects.ts';
import type { Overrides } from '../../test/support/merge.ts';
import {
  at,
  autoscaler,
  decision,
  DEPLOYMENT,
  newPod,
  OLD_REPLICA_SET,
  pulledEvent,
} from '../../test/support/scaleout.ts';
import type { TimelineFacts } from './timeline-facts.ts';
import { nothingRecorded, reportOfTimeline, timelinesOf } from './timeline-report.ts';
import { parseTarget } from './timeline-target.ts';
import { renderTimelines } from './timeline-text.ts';

const NOW = new Date(at('02:00'));

function facts(overrides: Partial<TimelineFacts> = {}, status: Overrides = { decision: decision() }): TimelineFacts {
  return {
    policy: prefetchPolicy('web', { status }),
    hpa: autoscaler(),
    workload: DEPLOYMENT,
    selector: 'app=web',
    pods: [
      newPod('web-1', { created: '00:45', scheduled: '00:45', started: '00:47', ready: '00:48' }),
      newPod('web-20', { created: '00:46', scheduled: '00:46', started: '00:50', ready: '00:51' }),
    ],
    events: [
      pulledEvent('web-1', '00:46', 'Container image "r.test/web:1" already present on machine'),
      pulledEvent('web-20', '00:49', 'Successfully pulled image "r.test/web:1" in 2.94s'),
    ],
    replicaSets: new Map([[OLD_REPLICA_SET, { createdMs: 0, owner: DEPLOYMENT.uid }]]),
    gaps: [],
    ...overrides,
  };
}

function text(of: TimelineFacts, { last = 1, now = NOW } = {}): string {
  return renderTimelines(timelinesOf(of, last, now), of);
}

describe('on a terminal', () => {
  test('a scale-out from the decision to the last Pod', () => {
    assert.equal(
      text(facts()),
      `Deployment team-a/web, PrefetchPolicy web, HorizontalPodAutoscaler web

Scale-out: warm verified 41.8 s before the first new Pod; last Pod Ready 6.0 s after the scale-out (p50 3.0 s from created)
     offset  2026-01-01 UTC
     +0.0 s  12:00:00.120  scale-out foreseen, ThresholdPassed: cpu is at 0.87 of its target
     +0.3 s  12:00:00.400  warm started
     +3.1 s  12:00:03.250  warm verified
   ~+44.9 s  12:00:45      HorizontalPodAutoscaler scaled out, 1→3 replicas
   ~+44.9 s  12:00:45      first new Pod created
   ~+45.9 s  12:00:46      last of 2 new Pods created
   ~+47.9 s  12:00:48      first new Pod Ready
   ~+50.9 s  12:00:51      all Ready

  Pods, from the scale-out to 6.0 s after it: ░ until pulled, ▓ until Ready, ● Ready
  web-1   node-1  ░░░░░▓▓▓▓▓▓▓▓▓▓▓●                 created ~+0.0 s, image on the node already, Ready after 3.0 s
  web-20  node-1       ░░░░░░░░░░░░░░░░▓▓▓▓▓▓▓▓▓▓●  created ~+1.0 s, image pulled in 2.9 s, Ready after 5.0 s

  ~ Kubernetes recorded it in whole seconds, rounded down.
`,
    );
  });

  test('a scale-out that goes on: what is not Ready yet is said to be', () => {
    const pods = [newPod('web-1', { created: '00:45', scheduled: '00:46' })];
    const shown = text(facts({ pods, events: [] }));
    assert.match(shown, /^Scale-out: warm verified 41\.8 s before the first new Pod; 0 of 2 new Pods Ready$/m);
    assert.match(shown, /^ {2}web-1 {2}node-1 {2}░{31} {3}created ~\+0\.0 s, not Ready$/m);
    assert.doesNotMatch(shown, /all Ready/);
  });

  test('a decision that no scale-out has followed yet comes before the last one', () => {
    const open = decision({
      at: at('01:30.000'),
      warmStartedAt: undefined,
      warmVerifiedAt: undefined,
      scaledAt: undefined,
    });
    const history = [decision({ outcome: 'Foreseen' })];
    const policy = prefetchPolicy('web', { status: { decision: open, history } });
    const shown = text(facts({ policy }));
    assert.match(shown, /\n\nNo scale-out yet: nothing was warmed; the autoscaler has not scaled out\n/);
    assert.match(shown, /\n\nScale-out: warm verified 41\.8 s before/);
  });

  test('many Pods: the first twenty are drawn', () => {
    const pods = Array.from({ length: 30 }, (_, i) => newPod(`web-${i}`, { created: '00:46', ready: '00:47' }));
    const hpa = autoscaler({ desiredReplicas: 31 });
    const shown = text(facts({ pods, hpa, events: [] }));
    assert.equal([...shown.matchAll(/^ {2}web-\d+ /gm)].length, 20);
    assert.match(shown, /^ {2}and 10 more$/m);
  });
});

describe('what is not known', () => {
  const HOURS_LATER = new Date(at('00:00').replace('T12', 'T15'));

  test('Events are kept for an hour: after it, when images were pulled is not known', () => {
    const shown = text(facts({ events: [] }), { now: HOURS_LATER });
    assert.match(shown, /^ {2}When the images were pulled is not known any more: .* Events for an hour\.$/m);
    assert.doesNotMatch(text(facts({ events: [] })), /not known any more/);
  });

  test('what the user may not read is said', () => {
    const gap = { right: 'list events.events.k8s.io in namespace team-a', unknown: 'when the images were pulled' };
    const shown = text(facts({ events: 'Forbidden', gaps: [gap] }), { now: HOURS_LATER });
    assert.match(
      shown,
      /It is not known when the images were pulled: you may not list events\.events\.k8s\.io in namespace team-a\./,
    );
    assert.doesNotMatch(shown, /not known any more/);
  });

  test('Pods that are gone', () => {
    assert.match(text(facts({ pods: [] }), { now: HOURS_LATER }), /None of its Pods is there any more/);
  });

  test('a policy that has recorded nothing, and one that nobody has looked at', () => {
    const watched = { horizontalPodAutoscaler: 'web' };
    assert.match(
      nothingRecorded(prefetchPolicy('web', { status: watched })),
      /recorded no scale-out yet: --watch waits/,
    );
    assert.match(nothingRecorded(prefetchPolicy('web')), /not been looked at by Slipstream yet: see that it runs/);
    assert.deepEqual(timelinesOf(facts({ pods: [], hpa: autoscaler({ lastScaleTime: undefined }) }, {}), 1, NOW), []);
  });
});

test('as JSON, times in RFC 3339 as exact as they are known, and durations in seconds', () => {
  const of = facts({ hpa: autoscaler({ desiredReplicas: 2 }), pods: facts().pods.slice(0, 1) });
  const [timeline] = timelinesOf(of, 1, NOW);
  assert.ok(timeline);
  assert.deepEqual(JSON.parse(JSON.stringify(reportOfTimeline(timeline, of))), {
    namespace: 'team-a',
    prefetchPolicy: 'web',
    horizontalPodAutoscaler: 'web',
    target: 'Deployment/web',
    replicas: { from: 1, to: 2 },
    reason: 'ThresholdPassed',
    message: 'cpu is at 0.87 of its target',
    decidedAt: '2026-01-01T12:00:00.120Z',
    warmStartedAt: '2026-01-01T12:00:00.400Z',
    warmVerifiedAt: '2026-01-01T12:00:03.250Z',
    scaledAt: '2026-01-01T12:00:45Z',
    pods: [
      {
        name: 'web-1',
        node: 'node-1',
        createdAt: '2026-01-01T12:00:45Z',
        scheduledAt: '2026-01-01T12:00:45Z',
        pulledAt: '2026-01-01T12:00:46Z',
        imagesPresent: true,
        startedAt: '2026-01-01T12:00:47Z',
        readyAt: '2026-01-01T12:00:48Z',
        gone: false,
      },
    ],
    seconds: {
      decisionLead: 44.88,
      decisionToWarmStarted: 0.28,
      warm: 2.85,
      lead: 41.75,
      scaledToFirstPodCreated: 0,
      scaledToFirstPodReady: 3,
      scaledToAllReady: 3,
      podReadyP50: 3,
    },
    summary: 'warm verified 41.8 s before the first new Pod; last Pod Ready 3.0 s after the scale-out',
    notes: [],
  });
});

test('a target goes by the names that kubectl knows', () => {
  for (const [name, kind] of Object.entries({
    pfp: 'PrefetchPolicy',
    hpa: 'HorizontalPodAutoscaler',
    deploy: 'Deployment',
    'deployments.apps': 'Deployment',
    StatefulSet: 'StatefulSet',
    rs: 'ReplicaSet',
  })) {
    assert.deepEqual(parseTarget(`${name}/web`), { kind, name: 'web' });
  }
  assert.throws(() => parseTarget('web'), /^Error: cannot show the time line of web: name what scales as pfp\/NAME, /);
  assert.throws(() => parseTarget('rollout/web'), /cannot show/);
});
