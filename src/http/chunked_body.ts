/**
 * Reads request bodies with `Transfer-Encoding: chunked`, and keeps what the runtime holds of them small.
 *
 * Deno 2.9.6 has a fault here (`libs/http_h1/conn.rs`): each read first takes off the socket as many bytes as the largest
 * buffer of any read so far on that connection, at least 1 KiB, and then gives the bytes of one HTTP chunk at most. What it took
 * too much piles up, without limit, and is moved to the front of its buffer at every read. So:
 *
 * - The buffer of a read is made just as large as an HTTP chunk with its framing; then as much is taken as given. Nearly all
 *   clients send chunks of one size.
 * - Where sizes vary, the buffer is small, so that little is taken too much, and a pile is read off at once: reads that need not wait follow each other without a turn of the event loop, and
 *   without one nothing more is taken off the socket.
 * - Where chunks are tiny and come too fast even for that, the body is given up.
 */
import { setImmediate } from "node:timers/promises";
import { ServiceError } from "../errors.ts";

/** The least that the runtime takes off the socket at once, and what a body is read with until its chunks are known. */
const LEAST_STEP_BYTES = 1024;
/** Larger HTTP chunks are read in equal steps of at most this: what clients send in as a rule, with its framing. */
const MAX_STEP_BYTES = 64 * 1024 + 16;
/** While their sizes are not known, or vary: measured, what piles up then is read off as fast as it comes; with 96 KiB it is not. */
const MAX_UNKNOWN_STEP_BYTES = 32 * 1024;
/** What is given at once, at most. */
export const BLOCK_BYTES = 256 * 1024;
/** The line break behind the chunk before, the size in hexadecimal digits, and a line break (RFC 9112 §7.1). */
const framingBytes = (chunkBytes: number) => 4 + chunkBytes.toString(16).length;
const MAX_FRAMING_BYTES = framingBytes(2 ** 53);

/** So often must a size come, and as so much of all, before it is taken for the one that the client sends in. */
const SEEN_OFTEN = 8;
const SEEN_SHARE = 0.4;
/** After so many reads most of which were full, it is safe to say that the HTTP chunks are larger than the buffers. */
const ROUND_READS = 128;
const MOST_READS = 0.75 * ROUND_READS;
/** So many different sizes are counted. */
const MAX_SIZES = 64;

/** A pile of this size is read off at once. */
const LARGE_PILE_BYTES = 2 * 2 ** 20;
/** A body that may have piled up so many bytes is given up: early if its reads give little, for moving the pile is what costs. */
const MAX_PILE_BYTES = 32 * 2 ** 20;
const MAX_TINY_PILE_BYTES = 8 * 2 ** 20;
const TINY_READ_BYTES = 4 * 1024;
const MEAN_OF_READS = 32;

/** Reads that need not wait keep the thread for themselves, up to this long. */
const MAX_HOLD_MS = 40;

/** More hops through the queue of microtasks than a read takes whose bytes are there. */
const HOPS = 30;

type Read = ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;

/** A body in HTTP chunks being read. */
export class ChunkedBody {
  readonly #reader: ReadableStreamBYOBReader;
  readonly #steps = new StepSize();
  #buffer = new ArrayBuffer(LEAST_STEP_BYTES);
  /** A read under way: none is begun before it has ended. */
  #reading: Promise<Read> | undefined;
  /** What may have piled up in the runtime, at most. */
  #pileBytes = 0;
  /** What reads gave of late: the end of a large HTTP chunk may be tiny. */
  #meanBytes = 0;
  /** What was read off a pile and is still to be given. */
  readonly #ahead: Uint8Array[] = [];
  readonly #isAnsweredMeanwhile: boolean;
  #hasBegun = false;

  /**
   * Throws a `TypeError` if the body is no byte stream.
   *
   * @param options.isAnsweredMeanwhile the answer is written while the body is read. Then what a client sends that is slower than
   * the server is given as it comes, and no further read is begun to see whether there is more: it would wait while the answer is
   * written, and never end if the client went away then (`assets/bulk_route.ts`)
   */
  constructor(body: ReadableStream<Uint8Array>, { isAnsweredMeanwhile = false } = {}) {
    this.#reader = body.getReader({ mode: "byob" });
    this.#isAnsweredMeanwhile = isAnsweredMeanwhile;
  }

  /**
   * Fills `block`, of `BLOCK_BYTES`, with what is there, or waits until something is; returns how many bytes it holds, 0 at the
   * end.
   *
   * @throws {ServiceError} `invalid_request` when tiny HTTP chunks come faster than they are read; else what the stream throws
   */
  async fill(block: Uint8Array): Promise<number> {
    const ahead = this.#ahead.shift();
    if (ahead) {
      block.set(ahead);
      return ahead.length;
    }
    const filledBytes = await this.#gather(block, { mayWait: true });
    for (let aheadBytes = 0; this.#pileBytes > LARGE_PILE_BYTES && aheadBytes < 2 * LARGE_PILE_BYTES;) {
      const next = new Uint8Array(BLOCK_BYTES);
      const bytes = await this.#gather(next, { mayWait: false });
      if (bytes === 0) break;
      this.#ahead.push(next.subarray(0, bytes));
      aheadBytes += bytes;
    }
    return filledBytes;
  }

  /** Reads no more. */
  cancel(reason: unknown): Promise<void> {
    return this.#reader.cancel(reason);
  }

  async #gather(block: Uint8Array, { mayWait }: { mayWait: boolean }): Promise<number> {
    let filledBytes = 0;
    let heldSinceMs = performance.now();
    // Whether the client is slower is not known at the beginning.
    let isSlow = this.#isAnsweredMeanwhile && !this.#hasBegun;
    this.#hasBegun = true;
    while (block.length - filledBytes >= this.#steps.sizeBytes) {
      const reading = this.#reading ??= this.#startReading();
      const state = await stateOf(reading);
      if (state === "waits") this.#pileBytes = 0;
      // A failure waits for the next call, so that nothing is lost.
      if (state !== "done" && (filledBytes > 0 || !mayWait)) break;
      isSlow ||= this.#isAnsweredMeanwhile && state === "waits";
      const { done, value } = await reading;
      if (done) break;
      this.#reading = undefined;
      this.#buffer = value.buffer;
      block.set(value, filledBytes);
      filledBytes += value.length;
      this.#pileBytes += Math.max(0, this.#steps.largestBytes - value.length - MAX_FRAMING_BYTES);
      this.#meanBytes += (value.length - this.#meanBytes) / MEAN_OF_READS;
      const isTiny = this.#meanBytes < TINY_READ_BYTES;
      if (this.#pileBytes > (isTiny ? MAX_TINY_PILE_BYTES : MAX_PILE_BYTES)) throw tinyChunks();
      this.#steps.see(value.length);
      if (isSlow) break;
      if (performance.now() - heldSinceMs < MAX_HOLD_MS) continue;
      await setImmediate();
      heldSinceMs = performance.now();
    }
    return filledBytes;
  }

  #startReading(): Promise<Read> {
    const { sizeBytes } = this.#steps;
    if (this.#buffer.byteLength < sizeBytes) this.#buffer = new ArrayBuffer(sizeBytes);
    return this.#reader.read(new Uint8Array(this.#buffer, 0, sizeBytes));
  }
}

/** How large the next read's buffer is to be, from what the ones before gave. */
class StepSize {
  sizeBytes = LEAST_STEP_BYTES;
  /** The largest so far: from it the runtime never comes down. */
  largestBytes = LEAST_STEP_BYTES;
  /** The size of the HTTP chunks, once it is known. */
  #chunkBytes = 0;
  /** What came since an HTTP chunk ended. */
  #sinceEndBytes = 0;
  #readsSinceEnd = 0;
  #reads = 0;
  #fullReads = 0;
  readonly #seen = new Map<number, number>();
  /** How many sizes were counted in it. */
  #counted = 0;

  /** Takes account of a read that gave so many bytes. */
  see(givenBytes: number): void {
    const isFull = givenBytes === this.sizeBytes;
    this.#grow(isFull);
    this.#sinceEndBytes += givenBytes;
    this.#readsSinceEnd++;
    if (this.#sinceEndBytes === this.#chunkBytes) return this.#endChunk();
    if (isFull) return;
    // Only its framing made the first read of an HTTP chunk shorter; any other short read is an end of one, or of what was there.
    if (this.#readsSinceEnd === 1 && givenBytes >= this.sizeBytes - MAX_FRAMING_BYTES) return;
    this.#count(this.#sinceEndBytes);
    this.#endChunk();
  }

  #endChunk(): void {
    this.#sinceEndBytes = 0;
    this.#readsSinceEnd = 0;
  }

  /** From a client that is always waited for, hardly an HTTP chunk comes in one piece, so its size is not found out. */
  #grow(isFull: boolean): void {
    this.#reads++;
    if (isFull) this.#fullReads++;
    if (this.#reads < ROUND_READS) return;
    if (this.#fullReads > MOST_READS && this.#chunkBytes === 0) {
      this.#set(Math.min(2 * this.sizeBytes, MAX_UNKNOWN_STEP_BYTES));
    }
    this.#reads = 0;
    this.#fullReads = 0;
  }

  #count(chunkBytes: number): void {
    const times = (this.#seen.get(chunkBytes) ?? 0) + 1;
    if (this.#seen.size >= MAX_SIZES) {
      this.#seen.clear();
      this.#counted = 0;
    }
    this.#seen.set(chunkBytes, times);
    this.#counted++;
    if (times < SEEN_OFTEN || times < SEEN_SHARE * this.#counted || chunkBytes <= this.#chunkBytes) return;
    this.#chunkBytes = chunkBytes;
    const wireBytes = chunkBytes + framingBytes(chunkBytes);
    this.#set(Math.ceil(wireBytes / Math.ceil(wireBytes / MAX_STEP_BYTES)));
  }

  #set(sizeBytes: number): void {
    this.sizeBytes = Math.max(LEAST_STEP_BYTES, sizeBytes);
    this.largestBytes = Math.max(this.largestBytes, this.sizeBytes);
  }
}

/** Whether a read has its bytes, has failed, or waits for the client: then nothing is piled up. */
async function stateOf(reading: Promise<unknown>): Promise<"done" | "failed" | "waits"> {
  let state: "done" | "failed" | "waits" = "waits";
  reading.then(() => state = "done", () => state = "failed");
  for (let hop = 0; hop < HOPS && state === "waits"; hop++) await undefined;
  return state;
}

function tinyChunks(): ServiceError {
  return new ServiceError(
    "invalid_request",
    "The body comes in HTTP chunks too small for their number; send it with a Content-Length, or in chunks of 16 KiB or more.",
  );
}
