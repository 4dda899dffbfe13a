/**
 * A stream cut into the parts of a multipart upload: how large each one is, and the blocks they are gathered in.
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
 * How many parts of that size one upload may hold, the one being gathered included: 4 (three on their way), fewer once they
 * are large. So an upload holds at most max(64 MiB, one part): 32 MiB for files up to 15.6 GiB, 64 MiB up to 62.5 GiB, one
 * part beyond.
 */
export function maxParts(sizeBytes: number): number {
  return Math.max(1, Math.min(MAX_PARTS_IN_FLIGHT + 1, Math.floor(BUFFER_BUDGET_BYTES / sizeBytes)));
}

/** Memory is taken in blocks of this size: what a small file costs, and few enough for a part. */
export const BLOCK_BYTES = 256 * 1024;
/** Memory kept for the next uploads; more is left to the garbage collector. */
const MAX_SPARE_BYTES = 32 * MIB;

/**
 * Parts of all uploads of a store that are sent at the same time. With the one that each upload gathers, 20 uploads at once
 * hold 20 × 8 + 4 × 8 = 192 MiB.
 */
const MAX_PARTS_IN_FLIGHT_IN_ALL = 4;

/** The memory that the uploads of a store share: blocks to be used again, and leave to send. */
export class SpareBlocks {
  /** One for each part on its way. */
  readonly slots = new Slots(MAX_PARTS_IN_FLIGHT_IN_ALL);
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];

  /** A block of `BLOCK_BYTES`, with old bytes in it. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#spare.pop() ?? new Uint8Array(BLOCK_BYTES);
  }

  /** Gives the blocks of a part back that nobody reads any more. */
  give(blocks: readonly Uint8Array<ArrayBuffer>[]): void {
    for (const { buffer } of blocks) {
      if (this.#spare.length < MAX_SPARE_BYTES / BLOCK_BYTES) this.#spare.push(new Uint8Array(buffer));
    }
  }
}

/** Consecutive bytes of a stream. */
export interface GatheredPart {
  /** Full but for the last one; none without bytes. To be given back. */
  blocks: Uint8Array<ArrayBuffer>[];
  sizeBytes: number;
  /** Hex. */
  sha256: string;
  /** Whether the stream ends with this part. */
  isLast: boolean;
}

/** Where bytes are read from, such as a stream's reader. */
export interface ByteSource {
  read(): Promise<{ done?: false; value: Uint8Array } | { done: true; value?: unknown }>;
}

/** Cuts a stream into parts, whatever the size of its chunks. */
export class PartGatherer {
  readonly #source: ByteSource;
  readonly #blocks: SpareBlocks;
  /** Stops the gathering; the owner cancels the source, so that a read that waits comes back. */
  readonly #stop: AbortSignal;
  /** What is left of the last chunk. */
  #rest: Uint8Array = new Uint8Array(0);

  constructor(source: ByteSource, blocks: SpareBlocks, stop: AbortSignal) {
    this.#source = source;
    this.#blocks = blocks;
    this.#stop = stop;
  }

  /**
   * The next `sizeBytes` of the stream, or what is left of it. A full part is given only once it is known whether the
   * stream goes on. Throws the stream's error, or the reason of the stop signal.
   */
  async next(sizeBytes: number): Promise<GatheredPart> {
    const hash = createHash("sha256");
    const blocks: Uint8Array<ArrayBuffer>[] = [];
    let gatheredBytes = 0;
    while (gatheredBytes < sizeBytes && await this.#hasMore()) {
      const block = await this.#fill(this.#blocks.take(), sizeBytes - gatheredBytes);
      hash.update(block);
      blocks.push(block);
      gatheredBytes += block.length;
    }
    const isLast = !await this.#hasMore();
    return { blocks, sizeBytes: gatheredBytes, sha256: hash.digest("hex"), isLast };
  }

  /** Fills a block with at most `maxBytes`; the stream may end before. */
  async #fill(block: Uint8Array<ArrayBuffer>, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const wanted = block.subarray(0, maxBytes);
    let filledBytes = 0;
    while (filledBytes < wanted.length && await this.#hasMore()) {
      const taken = this.#rest.subarray(0, wanted.length - filledBytes);
      wanted.set(taken, filledBytes);
      filledBytes += taken.length;
      this.#rest = this.#rest.subarray(taken.length);
    }
    return wanted.subarray(0, filledBytes);
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
