import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forecastSign, queryOf } from './forecast.ts';

const FORECAST = { prometheusQuery: 'predict_linear(load[30m], $horizon) / 100', horizon: '10m' };
const NOW = new Date('2026-01-01T00:00:00Z');

test('the query looks as far ahead as the horizon', () => {
  assert.equal(queryOf(FORECAST), 'predict_linear(load[30m], 600) / 100');
});

test('only more replicas than there are, and as many as there may be, are a sign', () => {
  const replicas = { currentReplicas: 3, maxReplicas: 8 };
  const expected = (answer: number): number | undefined =>
    forecastSign(FORECAST, answer, replicas, NOW)?.expectedReplicas;
  assert.equal(expected(3), undefined);
  assert.equal(expected(-4), undefined);
  assert.equal(expected(3.2), 4);
  assert.equal(expected(1e12), 8);
  assert.equal(forecastSign(FORECAST, 5, replicas, NOW)?.expectedBy?.toISOString(), '2026-01-01T00:10:00.000Z');
});
