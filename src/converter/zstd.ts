import { Transform, type TransformCallback } from 'node:stream';

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a5;
const SKIPPABLE_HEADER = 8;
const BLOCK_HEADER = 3;
const CHECKSUM = 4;
const RLE_BLOCK = 1;

/** Bytes that {@link isZstd} needs. */
export const MAGIC_LENGTH = 4;

/** Whether bytes start like a Zstandard stream: with a frame, or with a skippable one. */
export function isZstd(head: Buffer): boolean {
  const magic = head.length < MAGIC_LENGTH ? 0 : head.readUInt32LE(0);
  return magic === FRAME_MAGIC || magic >>> 4 === SKIPPABLE_MAGIC;
}

/** A stretch of a Zstandard stream whose length its first bytes tell. */
interface Piece {
  length: number;
  skippable: boolean;
  /** Whether a frame ends with it. */
  last: boolean;
}

/**
 * Cuts a Zstandard stream (RFC 8878 §3.1) into chunks of which none holds the end of one frame and the start of the next,
 * and leaves out skippable frames. Node's own decoder takes what follows a frame in the same chunk for garbage and ends
 * there without an error; layers of the `zstd:chunked` kind consist of thousands of frames.
 * Destroyed with an error where the bytes are no frames, or end in the middle of one.
 */
export function frameSplitter(): Transform {
  let piece: Piece = { length: 0, skippable: false, last: true };
  let left = 0;
  let checksum = false;
  let pending: Buffer = Buffer.alloc(0);

  function nextPiece(buffer: Buffer): Piece | undefined {
    if (!piece.last) {
      return blockPiece(buffer, checksum);
    }
    const frame = framePiece(buffer);
    checksum = frame?.checksum ?? checksum;
    return frame;
  }

  return new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
      const buffer = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      let from = 0;
      let at = 0;
      while (at < buffer.length) {
        if (left === 0) {
          const next = nextPiece(buffer.subarray(at));
          if (next === undefined) {
            break;
          }
          if (next === NO_FRAME) {
            done(new Error('it is no Zstandard stream: a frame starts with a wrong magic number'));
            return;
          }
          piece = next;
          left = next.length;
        }
        const taken = Math.min(left, buffer.length - at);
        left -= taken;
        at += taken;
        if (piece.skippable) {
          from = at;
        } else if (piece.last && left === 0) {
          this.push(buffer.subarray(from, at));
          from = at;
        }
      }
      if (at > from) {
        this.push(buffer.subarray(from, at));
      }
      pending = buffer.subarray(at);
      done();
    },
    flush(done: TransformCallback): void {
      const whole = piece.last && left === 0 && pending.length === 0;
      done(whole ? null : new Error('it is no whole Zstandard stream: it ends in the middle of a frame'));
    },
  });
}

const NO_FRAME = { length: 0, skippable: false, last: false, checksum: false };

/** Frame header, or a whole skippable frame. Undefined while there are too few bytes to tell. */
function framePiece(buffer: Buffer): (Piece & { checksum: boolean }) | undefined {
  if (buffer.length < SKIPPABLE_HEADER) {
    return undefined;
  }
  const magic = buffer.readUInt32LE(0);
  if (magic >>> 4 === SKIPPABLE_MAGIC) {
    return { length: SKIPPABLE_HEADER + buffer.readUInt32LE(4), skippable: true, last: true, checksum: false };
  }
  if (magic !== FRAME_MAGIC) {
    return NO_FRAME;
  }
  const descriptor = buffer.readUInt8(4);
  return { length: headerLength(descriptor), skippable: false, last: false, checksum: (descriptor & 0b100) !== 0 };
}

/** RFC 8878 §3.1.1.1: magic number, descriptor, window descriptor, dictionary ID and content size. */
function headerLength(descriptor: number): number {
  const singleSegment = (descriptor & 0b100000) !== 0;
  const dictionaryID = [0, 1, 2, 4][descriptor & 0b11] ?? 0;
  const contentSize = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6] ?? 0;
  return 5 + (singleSegment ? 0 : 1) + dictionaryID + contentSize;
}

/** RFC 8878 §3.1.1.2: block header and content, and the checksum that follows the last block. */
function blockPiece(buffer: Buffer, checksum: boolean): Piece | undefined {
  if (buffer.length < BLOCK_HEADER) {
    return undefined;
  }
  const header = buffer.readUIntLE(0, BLOCK_HEADER);
  const last = (header & 1) === 1;
  const content = ((header >>> 1) & 0b11) === RLE_BLOCK ? 1 : header >>> 3;
  return { length: BLOCK_HEADER + content + (last && checksum ? CHECKSUM : 0), skippable: false, last };
}
