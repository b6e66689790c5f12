import { createHash, createCipheriv, type Cipheriv } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Shares of a file's bytes, by what they are: as in an image of programs, their libraries and data such as models. */
const NOISE_SHARE = 0.3;
const BLOCK_MAX = 128 * 1024;

/** Makes bytes that compress as those of real images do, the same for the same seed and the same Node.js. */
export interface ContentMaker extends Disposable {
  /** The next so many bytes. */
  next(size: number): Buffer;
  /** A number from 0 to below 1. */
  random(): number;
}

/**
 * Machine code and text in blocks taken from anywhere in the Node.js binary, so that no chunk is there twice, between blocks of
 * noise, as compressed files and model weights are.
 */
export function contentMaker(seed: string): ContentMaker {
  const file = openSync(process.execPath, 'r');
  const { size: fileSize } = fstatSync(file);
  const noise = keystream(seed);
  const random = (): number => noise(4).readUInt32LE(0) / 2 ** 32;
  return {
    random,
    next(size) {
      const bytes = Buffer.allocUnsafe(size);
      for (let at = 0; at < size;) {
        const length = Math.min(1 + Math.floor(random() * BLOCK_MAX), size - at);
        if (random() < NOISE_SHARE) {
          noise(length).copy(bytes, at);
        } else {
          readSync(file, bytes, at, length, Math.floor(random() * (fileSize - length)));
        }
        at += length;
      }
      return bytes;
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}

/** Random bytes that the seed decides. */
function keystream(seed: string): (size: number) => Buffer {
  const key = createHash('sha256').update(seed).digest();
  const cipher: Cipheriv = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  return (size) => cipher.update(Buffer.alloc(size));
}
