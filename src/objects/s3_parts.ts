/**
 * A stream cut into the parts of a multipart upload: how large each one is, and the buffers they are gathered in.
 *
 * S3's limits (Amazon S3 User Guide, "Multipart upload limits"): at most 10,000 parts and 5 TiB, each part 5 MiB to
 * 5 GiB, the last one may be smaller. The length of a stream is not known before its end, so parts grow on the way.
 */

import { createHash } from "node:crypto";
import { ServiceError } from "../errors.ts";
import { Slots } from "./slots.ts";

const MIB = 2 ** 20;

/** Size of the first parts; an object up to this size is stored with one request. */
export const FIRST_PART_BYTES = 8 * MIB;
/** S3's largest object. */
export const MAX_OBJECT_BYTES = 5 * 2 ** 40;
/** S3's highest part number. */
export const MAX_PARTS = 10_000;

/**
 * Up to which part number parts have which size. Parts stay small for as long as files are of a common size (32 MiB up
 * to 62 GiB); beyond 250 GiB they must be about 1 GiB for 10,000 of them to hold 5 TiB.
 *
 * Sums: 15.6 GiB after part 2000, 31 after 3000, 62.5 after 4000, 125 after 4500, 250 after 5000, 5.1 TiB after 10,000.
 */
const SCHEDULE = [
  { lastPart: 2_000, sizeBytes: FIRST_PART_BYTES },
  { lastPart: 3_000, sizeBytes: 16 * MIB },
  { lastPart: 4_000, sizeBytes: 32 * MIB },
  { lastPart: 4_500, sizeBytes: 128 * MIB },
  { lastPart: 5_000, sizeBytes: 256 * MIB },
  { lastPart: MAX_PARTS, sizeBytes: 1024 * MIB },
];

/** Size of a part by its number (1-based). Throws `too_large` beyond the last one. */
export function partSizeBytes(partNumber: number): number {
  for (const band of SCHEDULE) if (partNumber <= band.lastPart) return band.sizeBytes;
  throw tooLarge();
}

/** The error for an object over S3's 5 TiB. */
export function tooLarge(): ServiceError {
  return new ServiceError("too_large", "An object in S3 holds at most 5 TiB.");
}

/** Memory that one upload may buffer while its parts are smaller than this. */
const BUFFER_BUDGET_BYTES = 64 * MIB;
/** Parts of one upload that are sent at the same time. */
export const MAX_PARTS_IN_FLIGHT = 3;

/**
 * How many buffers one upload may hold at that part size, the one being gathered included: 4 (three on their way), fewer
 * once they are large. So an upload buffers at most max(64 MiB, one part): 32 MiB for files up to 15.6 GiB, 64 MiB up to
 * 62.5 GiB, one part beyond. `fetch` copies each body it sends, which adds the parts in flight once more.
 */
export function maxBuffers(sizeBytes: number): number {
  return Math.max(1, Math.min(MAX_PARTS_IN_FLIGHT + 1, Math.floor(BUFFER_BUDGET_BYTES / sizeBytes)));
}

/** Smallest buffer of an upload's first part: most files are small, and eight MiB for each would be waste. */
const FIRST_BUFFER_BYTES = 64 * 1024;
/** Bytes that are hashed at once: enough to make the call cheap, too few to hold anybody up. */
export const HASH_STEP_BYTES = 256 * 1024;
/** Buffers kept for the next upload; more are left to the garbage collector. */
const MAX_SPARE_BUFFERS = 4;

/**
 * Parts of all uploads of a store that are sent at the same time: each is in memory twice, here and in `fetch`. With the one
 * that each upload gathers, 20 uploads at once hold 20 × 8 + 4 × 16 = 224 MiB.
 */
const MAX_PARTS_IN_FLIGHT_IN_ALL = 4;

/** The memory that the uploads of a store share: buffers of `FIRST_PART_BYTES` to be used again, and leave to send. */
export class SpareBuffers {
  /** One for each part on its way. */
  readonly slots = new Slots(MAX_PARTS_IN_FLIGHT_IN_ALL);
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];

  /** A buffer of at least `sizeBytes`, with old bytes in it. */
  take(sizeBytes: number): Uint8Array<ArrayBuffer> {
    const reusable = sizeBytes <= FIRST_PART_BYTES ? this.#spare.pop() : undefined;
    return reusable ?? new Uint8Array(sizeBytes);
  }

  /** Gives a buffer back that nobody reads any more. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    if (buffer.length === FIRST_PART_BYTES && this.#spare.length < MAX_SPARE_BUFFERS) {
      this.#spare.push(buffer);
    }
  }
}

/** Consecutive bytes of a stream. */
export interface GatheredPart {
  bytes: Uint8Array<ArrayBuffer>;
  /** Hex. */
  sha256: string;
  /** Whether the stream ends with this part. */
  isLast: boolean;
  /** What `bytes` lies in, to be given back. */
  buffer: Uint8Array<ArrayBuffer>;
}

/** Where bytes are read from, such as a stream's reader. */
export interface ByteSource {
  read(): Promise<{ done?: false; value: Uint8Array } | { done: true; value?: unknown }>;
}

/** Cuts a stream into parts, whatever the size of its chunks. */
export class PartGatherer {
  readonly #source: ByteSource;
  readonly #buffers: SpareBuffers;
  /** Stops the gathering; the owner cancels the source, so that a read that waits comes back. */
  readonly #stop: AbortSignal;
  /** What is left of the last chunk. */
  #rest: Uint8Array = new Uint8Array(0);

  constructor(source: ByteSource, buffers: SpareBuffers, stop: AbortSignal) {
    this.#source = source;
    this.#buffers = buffers;
    this.#stop = stop;
  }

  /**
   * The next `sizeBytes` of the stream, or what is left of it. A full part is given only once it is known whether the
   * stream goes on. Throws the stream's error, or the reason of the stop signal.
   */
  async next(sizeBytes: number, isFirst: boolean): Promise<GatheredPart> {
    let buffer = this.#buffers.take(isFirst ? FIRST_BUFFER_BYTES : sizeBytes);
    const hash = createHash("sha256");
    let filledBytes = 0;
    let hashedBytes = 0;
    while (await this.#hasMore() && filledBytes < sizeBytes) {
      const taken = this.#rest.subarray(0, sizeBytes - filledBytes);
      if (filledBytes + taken.length > buffer.length) {
        buffer = grown(
          buffer,
          filledBytes,
          Math.min(sizeBytes, Math.max(4 * buffer.length, filledBytes + taken.length)),
        );
      }
      buffer.set(taken, filledBytes);
      filledBytes += taken.length;
      this.#rest = this.#rest.subarray(taken.length);
      if (filledBytes - hashedBytes >= HASH_STEP_BYTES) {
        hash.update(buffer.subarray(hashedBytes, filledBytes));
        hashedBytes = filledBytes;
      }
    }
    hash.update(buffer.subarray(hashedBytes, filledBytes));
    return {
      bytes: buffer.subarray(0, filledBytes),
      sha256: hash.digest("hex"),
      isLast: this.#rest.length === 0,
      buffer,
    };
  }

  /** Whether bytes are left; reads on until there are some. */
  async #hasMore(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const result = await this.#source.read();
      // A cancelled reader says "done", which must not be taken for the end of the object.
      this.#stop.throwIfAborted();
      if (result.done) return false;
      this.#rest = result.value;
    }
    return true;
  }
}

function grown(
  buffer: Uint8Array<ArrayBuffer>,
  usedBytes: number,
  sizeBytes: number,
): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(sizeBytes);
  larger.set(buffer.subarray(0, usedBytes));
  return larger;
}
