import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPlatform, parsePlatform, samePlatform } from './platform.ts';

test('a platform reads and prints as os/architecture[/variant]', () => {
  assert.deepEqual(parsePlatform('linux/amd64'), { os: 'linux', architecture: 'amd64' });
  assert.deepEqual(parsePlatform('linux/arm/v6'), { os: 'linux', architecture: 'arm', variant: 'v6' });
  assert.equal(formatPlatform({ os: 'linux', architecture: 'arm', variant: 'v6' }), 'linux/arm/v6');
});

test('a variant that the architecture means anyway makes no difference', () => {
  assert.ok(samePlatform(parsePlatform('linux/arm64'), parsePlatform('linux/arm64/v8')));
  assert.ok(samePlatform({ os: 'linux', architecture: 'amd64', variant: '' }, parsePlatform('linux/amd64/v1')));
  assert.ok(!samePlatform(parsePlatform('linux/arm/v6'), parsePlatform('linux/arm')));
  assert.ok(!samePlatform(parsePlatform('linux/amd64'), parsePlatform('windows/amd64')));
});
