import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage } from '../../../test/gen/objects.ts';
import type { AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { withinBudget } from './budget.ts';

const status: AcceleratedImageStatus = {
  inspection: {
    platform: 'linux/amd64',
    size: 2000,
    layers: 5,
    wastedBytes: 100,
    efficiency: '0.950',
    findings: [],
  },
};

function judged(budget: object | undefined, of: AcceleratedImageStatus = status): string | undefined {
  const image = acceleratedImage('web', { spec: { inspection: budget === undefined ? {} : { budget } } });
  const found = withinBudget(image, of);
  return found && `${found.status} ${found.reason}: ${found.message}`;
}

test('a budget counts to its last byte, and every bound that is exceeded is said', () => {
  assert.match(judged({ size: '2k', wastedBytes: '100', layers: 5 }) ?? '', /^True WithinBudget/);
  assert.equal(
    judged({ size: '1999', wastedBytes: '99', layers: 4 }),
    'False BudgetExceeded: its files are 1.95 KiB, 1.95 KiB are allowed; it wastes 100 B, 99 B are allowed; it has 5 layers, 4 are allowed',
  );
});

test('an empty budget is kept, and without one nothing is said', () => {
  assert.match(judged({}) ?? '', /^True WithinBudget/);
  assert.equal(judged(undefined), undefined);
});

test('an image that was not inspected is neither within its budget nor beyond', () => {
  assert.match(judged({ layers: 1 }, {}) ?? '', /^Unknown NotInspected: .*slipstream inspect registry.test\/web:1/);
});
