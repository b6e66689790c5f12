import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { extract } from 'tar-stream';

/** The bootstrap in a bootstrap layer. */
export async function bootOf(layer: Buffer): Promise<Buffer> {
  const tar = extract();
  tar.end(gunzipSync(layer));
  for await (const entry of tar) {
    if (entry.header.name === 'image/image.boot') {
      return await buffer(entry as AsyncIterable<Buffer>);
    }
    entry.resume();
  }
  throw new Error('the layer holds no image/image.boot');
}
