/** One step of an image's making, as its config has it. */
export interface HistoryStep {
  readonly created_by?: unknown;
  readonly empty_layer?: boolean | undefined;
}

/**
 * The command of each layer, or undefined for all of them where the history does not say as many layers as there are.
 * Values of build arguments (`RUN |1 TOKEN=… /bin/sh -c …`) are left out: they may be secrets.
 */
export function commandsOf(history: readonly HistoryStep[], layers: number): (string | undefined)[] {
  const steps = history.filter(({ empty_layer }) => empty_layer !== true);
  return Array.from({ length: layers }, (_, i) =>
    steps.length === layers ? cleanCommand(steps[i]?.created_by) : undefined,
  );
}

function cleanCommand(command: unknown): string | undefined {
  if (typeof command !== 'string') {
    return undefined;
  }
  const line = command.replaceAll(/[\s\p{C}]+/gu, ' ').trim();
  const plain = line
    .replace(/^(?:RUN )?\|\d+ .*?\/bin\/sh -c /, 'RUN ')
    .replace(/^\/bin\/sh -c #\(nop\) +/, '')
    .replace(/^(?:RUN )?\/bin\/sh -c /, 'RUN ')
    .replace(/ # buildkit$/, '');
  return /^(?:RUN )?\|\d+ /.test(plain) ? 'RUN' : plain || undefined;
}
