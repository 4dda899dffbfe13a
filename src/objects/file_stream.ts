/** Streams into and out of open files, in blocks large enough that the calls themselves cost little. */

import { ServiceError } from "../errors.ts";
import { diskError, onDisk, type WritableFile, writeAll } from "./durable_fs.ts";

/**
 * Bytes per call. Requests arrive in chunks of 16 to 64 KiB: gathered into two such blocks, one filling while the other
 * is written, they reach the disk two to six times as fast as one by one. Larger blocks gain little, and every
 * transfer under way holds up to two.
 */
const BLOCK_BYTES = 256 * 1024;

/** What else happens while a file is filled. */
export interface FillSteps {
  /** Sees each block once, in order. It must not keep it: the next one comes in the same memory. */
  onBlock?: (bytes: Uint8Array) => void;
  /**
   * Called when `sizeBytes` have been written, no write is under way, and `onBlock` has seen just these: every
   * `pauseBytes` and at the end. The filling goes on when it resolves; when it throws, that ends the filling.
   */
  onPause?: (sizeBytes: number) => Promise<void>;
  /** A multiple of the block's size. */
  pauseBytes?: number;
  /** Takes a stream that errors for one that ends. */
  keepsBrokenOff?: boolean;
}

/**
 * Writes `body` into `file`; returns how many bytes it held. The file is left open and unflushed.
 *
 * Throws the stream's own error as it is, the signal's reason, and the disk's failures as `ServiceError`; in each case
 * the stream is cancelled and no write is under way any more.
 */
export async function fillFile(
  file: WritableFile,
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
  steps: FillSteps = {},
): Promise<number> {
  const reader = body.getReader();
  // Not awaited: a source that never finishes its cancellation must not hold up the clean-up.
  const cancel = (reason: unknown) => void reader.cancel(reason).catch(() => {});
  const onAbort = () => cancel(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const blocks = new BlockWriter(file, cancel, steps);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { done, value } = await (steps.keepsBrokenOff ? readOrEnd(reader) : reader.read());
      if (done) break;
      await blocks.add(value);
    }
    // A cancelled stream ends like a complete one.
    signal?.throwIfAborted();
    return await blocks.finish();
  } catch (error) {
    cancel(error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    await blocks.idle();
  }
}

/** The next chunk; a stream that errors has none any more. */
export async function readOrEnd(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read();
  } catch {
    return { done: true, value: undefined };
  }
}

/** Gathers chunks into blocks and writes one block while the next one fills. */
class BlockWriter {
  readonly #file: WritableFile;
  readonly #onFailure: (error: unknown) => void;
  readonly #steps: FillSteps;
  #filling: Uint8Array = new Uint8Array(BLOCK_BYTES);
  #filledBytes = 0;
  /** The block of the write before, free once `#writing` has settled. */
  #spare: Uint8Array | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** Bytes given to the file. */
  #sizeBytes = 0;

  /** `onFailure` hears of a failed write at once, `add` and `finish` throw it later. */
  constructor(file: WritableFile, onFailure: (error: unknown) => void, steps: FillSteps) {
    this.#file = file;
    this.#onFailure = onFailure;
    this.#steps = steps;
  }

  async add(chunk: Uint8Array): Promise<void> {
    let offset = 0;
    while (offset < chunk.byteLength) {
      const part = chunk.subarray(offset, offset + BLOCK_BYTES - this.#filledBytes);
      this.#filling.set(part, this.#filledBytes);
      this.#filledBytes += part.byteLength;
      offset += part.byteLength;
      if (this.#filledBytes < BLOCK_BYTES) break;
      await this.#startWriting();
      if (this.#sizeBytes % (this.#steps.pauseBytes ?? Infinity) === 0) await this.#pause();
    }
  }

  /** Writes what is left; returns the size of everything in bytes. */
  async finish(): Promise<number> {
    await this.#startWriting();
    await this.#pause();
    return this.#sizeBytes;
  }

  /** Resolves when no write is under way; never throws. */
  async idle(): Promise<void> {
    await this.#writing.catch(() => {});
  }

  async #pause(): Promise<void> {
    await this.#writing;
    await this.#steps.onPause?.(this.#sizeBytes);
  }

  async #startWriting(): Promise<void> {
    await this.#writing;
    const full = this.#filling.subarray(0, this.#filledBytes);
    this.#writing = onDisk("a file was written", writeAll(this.#file, full));
    this.#writing.catch(this.#onFailure);
    // While the disk is at it.
    this.#steps.onBlock?.(full);
    const next = this.#spare ?? new Uint8Array(BLOCK_BYTES);
    this.#spare = this.#filling;
    this.#filling = next;
    this.#sizeBytes += this.#filledBytes;
    this.#filledBytes = 0;
  }
}

/**
 * The next `lengthBytes` bytes of `file` from where it stands. The stream closes the file at its end, when it is
 * cancelled, when the disk fails and when `signal` fires.
 *
 * It reads nothing ahead: a download that nobody takes holds no block.
 */
export function fileRange(
  file: Deno.FsFile,
  lengthBytes: number,
  signal: AbortSignal | undefined,
): ReadableStream<Uint8Array> {
  let leftBytes = lengthBytes;
  let open = true;
  const close = () => {
    signal?.removeEventListener("abort", onAbort);
    if (open) file.close();
    open = false;
  };
  let onAbort = () => {};
  return new ReadableStream<Uint8Array>({
    start(controller) {
      onAbort = () => {
        close();
        controller.error(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    },
    async pull(controller) {
      const block = new Uint8Array(Math.min(BLOCK_BYTES, leftBytes));
      try {
        const readBytes = await file.read(block);
        if (readBytes === null) {
          throw new ServiceError("storage_error", "A stored file ended before its size.");
        }
        if (!open) return;
        leftBytes -= readBytes;
        controller.enqueue(block.subarray(0, readBytes));
      } catch (error) {
        if (!open) return;
        close();
        controller.error(diskError(error, "a file was read"));
        return;
      }
      if (leftBytes > 0) return;
      close();
      controller.close();
    },
    cancel: close,
  }, { highWaterMark: 0 });
}
