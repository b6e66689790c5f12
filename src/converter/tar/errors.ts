import { ConvertError } from '../errors.ts';

/** A layer is not what can be converted, however often it is tried. The message names the file, not the layer. */
export class BadLayerError extends ConvertError {
  override name = 'BadLayerError';

  constructor(message: string) {
    super('ConversionFailed', message);
  }
}

/** A name from a tar as it may stand in a message: its bytes as UTF-8, and not too many of them. */
export function shown(name: string): string {
  const text = Buffer.from(name, 'latin1').toString('utf8').replaceAll(/\p{C}/gu, '?');
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
