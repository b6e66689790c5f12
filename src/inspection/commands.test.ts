import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandsOf } from './commands.ts';

test('each layer has the command of its step, without what builders put around it', () => {
  const history = [
    { created_by: '/bin/sh -c #(nop) ADD file:1 in / ' },
    { created_by: '/bin/sh -c #(nop)  CMD ["bash"]', empty_layer: true },
    { created_by: 'RUN /bin/sh -c apt-get update \t&& \n apt-get install x # buildkit' },
    { created_by: '/bin/sh -c make' },
    { created_by: 'COPY . . # buildkit' },
    {},
  ];
  assert.deepEqual(commandsOf(history, 5), [
    'ADD file:1 in /',
    'RUN apt-get update && apt-get install x',
    'RUN make',
    'COPY . .',
    undefined,
  ]);
});

test('the values of build arguments are never shown', () => {
  const commands = [
    'RUN |2 USER=me TOKEN=a secret /bin/sh -c make # buildkit',
    '|1 TOKEN=secret /bin/sh -c make',
    'RUN |1 TOKEN=secret /bin/bash -c make # buildkit',
  ].map((created_by) => commandsOf([{ created_by }], 1)[0]);
  assert.deepEqual(commands, ['RUN make', 'RUN make', 'RUN']);
});

test('a history of more or fewer layers than there are says nothing of any', () => {
  assert.deepEqual(commandsOf([{ created_by: 'one' }], 2), [undefined, undefined]);
  assert.deepEqual(commandsOf([{ created_by: 'one' }, { created_by: 'two' }], 1), [undefined]);
  assert.deepEqual(commandsOf([], 1), [undefined]);
});
