/** Streams into and out of open files, in blocks large enough that the calls themselves cost little. */

import { ServiceError } from "../errors.ts";
import { diskError, onDisk, type WritableFile, writeAll } from "./durable_fs.ts";

/**
 * Bytes per call. Requests arrive in chunks of 16 to 64 KiB: gathered into two such blocks, one filling while the other
 * is written, they reach the disk two to six times as fast as one by one. Larger blocks gain little, and every
 * transfer under way holds up to two.
 */
const BLOCK_BYTES = 256 * 1024;

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
): Promise<number> {
  const reader = body.getReader();
  // Not awaited: a source that never finishes its cancellation must not hold up the clean-up.
  const cancel = (reason: unknown) => void reader.cancel(reason).catch(() => {});
  const onAbort = () => cancel(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const blocks = new BlockWriter(file, cancel);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { done, value } = await reader.read();
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

/** Gathers chunks into blocks and writes one block while the next one fills. */
class BlockWriter {
  readonly #file: WritableFile;
  readonly #onFailure: (error: unknown) => void;
  #filling: Uint8Array = new Uint8Array(BLOCK_BYTES);
  #filledBytes = 0;
  /** The block of the write before, free once `#writing` has settled. */
  #spare: Uint8Array | undefined;
  #writing: Promise<void> = Promise.resolve();
  #sizeBytes = 0;

  /** `onFailure` hears of a failed write at once, `add` and `finish` throw it later. */
  constructor(file: WritableFile, onFailure: (error: unknown) => void) {
    this.#file = file;
    this.#onFailure = onFailure;
  }

  async add(chunk: Uint8Array): Promise<void> {
    let offset = 0;
    while (offset < chunk.byteLength) {
      const part = chunk.subarray(offset, offset + BLOCK_BYTES - this.#filledBytes);
      this.#filling.set(part, this.#filledBytes);
      this.#filledBytes += part.byteLength;
      offset += part.byteLength;
      if (this.#filledBytes === BLOCK_BYTES) await this.#startWriting();
    }
    this.#sizeBytes += chunk.byteLength;
  }

  /** Writes what is left; returns the size of everything in bytes. */
  async finish(): Promise<number> {
    await this.#startWriting();
    await this.#writing;
    return this.#sizeBytes;
  }

  /** Resolves when no write is under way; never throws. */
  async idle(): Promise<void> {
    await this.#writing.catch(() => {});
  }

  async #startWriting(): Promise<void> {
    await this.#writing;
    const full = this.#filling.subarray(0, this.#filledBytes);
    this.#writing = onDisk("a file was written", writeAll(this.#file, full));
    this.#writing.catch(this.#onFailure);
    const next = this.#spare ?? new Uint8Array(BLOCK_BYTES);
    this.#spare = this.#filling;
    this.#filling = next;
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
