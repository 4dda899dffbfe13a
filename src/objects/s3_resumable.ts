/**
 * Writes to a bucket that go on over many calls: a multipart upload whose full parts stay, and behind them a tail
 * (`s3_tails.ts`) that the next call gathers anew. A write of at most one part is its tail alone, which `finish` stores
 * under the object's key.
 *
 * A state stays usable for as long as no call was begun with a later one: parts that it does not count are sent again
 * under their numbers, and of the tails just those are removed that lie before the state that a call was given.
 */

import { setImmediate } from "node:timers/promises";
import { ServiceError } from "../errors.ts";
import { readOrEnd } from "./file_stream.ts";
import type { AppendOptions, ResumableState, ResumableWrites } from "./object_store.ts";
import { bytesIn, CHECKPOINT_BYTES, textIn, textsIn, writeIsGone } from "./resumable_state.ts";
import type { S3Client } from "./s3_client.ts";
import { S3Error } from "./s3_errors.ts";
import {
  FIRST_PART_BYTES,
  type GatheredPart,
  MAX_OBJECT_BYTES,
  PartGatherer,
  partSizeBytes,
  type SpareBlocks,
  tooLarge,
} from "./s3_parts.ts";
import { S3Tails, type Tail } from "./s3_tails.ts";
import { abortUpload, completeUpload, createUpload, PartUploads, putObject, putPart } from "./s3_uploads.ts";
import { readStoppably } from "./stoppable_source.ts";

/** What a state holds. */
interface S3State extends ResumableState {
  /** Names the folder of the tails. */
  writeId: string;
  contentType: string;
  /** `""` for a write that needs no multipart upload. */
  uploadId: string;
  /** Those of the parts that count, the first one first. */
  etags: string[];
  /** Size of the tail behind the parts, in bytes. */
  tail: number;
  /** `""` without a tail. */
  tailId: string;
  /** The tail of the state before, `""` without one: of no use once a call is given this state. */
  oldTailId: string;
}

/** Bytes that a digest gets at once: a large part as a whole would hold everybody up. */
const DIGEST_STEP_BYTES = 2 ** 20;

/** The resumable writes of an `S3Store`. They throw `S3Error` where S3 fails. */
export class S3Resumable implements ResumableWrites {
  readonly #client: S3Client;
  readonly #blocks: SpareBlocks;
  readonly #prefix: string;

  /** `prefix` is put before each key. */
  constructor(client: S3Client, blocks: SpareBlocks, prefix: string) {
    this.#client = client;
    this.#blocks = blocks;
    this.#prefix = prefix;
  }

  async begin(key: string, options: { contentType: string; sizeBytes: number }): Promise<ResumableState> {
    const { contentType, sizeBytes } = options;
    if (sizeBytes > MAX_OBJECT_BYTES) throw tooLarge();
    const uploadId = sizeBytes > FIRST_PART_BYTES
      ? await createUpload(this.#client, this.#prefix + key, contentType)
      : "";
    const writeId = crypto.randomUUID();
    return { offset: 0, writeId, contentType, uploadId, etags: [], tail: 0, tailId: "", oldTailId: "" };
  }

  /**
   * Throws the signal's reason when it fires; the last checkpoint holds then. Throws `not_found` when the write is gone,
   * and `too_large` for more bytes than it can hold.
   */
  async append(
    key: string,
    state: ResumableState,
    body: ReadableStream<Uint8Array>,
    options: AppendOptions,
  ): Promise<ResumableState> {
    return await readStoppably(body, options.signal, async (reader, stop) => {
      const from = s3State(state);
      const tails = this.#tailsOf(key, from);
      const removed = from.oldTailId === "" ? undefined : tails.remove(from.oldTailId, stop.signal);
      const source = goingOn(reader, () => tails.read({ ...from, sizeBytes: from.tail }, stop.signal), from);
      const gatherer = new PartGatherer({ read: () => source.next() }, this.#blocks, stop.signal);
      const progress = new Progress(from, options);
      const parts = { client: this.#client, blocks: this.#blocks, stop };
      const upload = { key: this.#prefix + key, uploadId: from.uploadId };
      const uploads = new PartUploads(parts, upload, (part) => progress.addPart(part), { inOrder: true });
      try {
        const rest = await sendFullParts(uploads, from, gatherer);
        if (rest && rest.sizeBytes > progress.seenOfRest) {
          const tail = await tails.add(rest, stop.signal);
          await progress.addTail(rest.blocks, tail);
          this.#blocks.give(rest.blocks);
        }
        return await progress.checkpoint();
      } catch (error) {
        if (!stop.signal.aborted) stop.abort(error);
        // No part may arrive, and no checkpoint be taken, once the caller has heard of the end.
        await uploads.settled();
        const { reason } = stop.signal;
        throw reason instanceof S3Error && isGone(reason) ? writeIsGone(reason) : reason;
      } finally {
        // Lets go of a tail that was not read to its end.
        source.return().catch(() => {});
        await removed;
      }
    });
  }

  async finish(key: string, state: ResumableState): Promise<void> {
    const write = s3State(state);
    try {
      await this.#make(key, write);
    } catch (error) {
      if (!isGone(error)) throw error;
      // A call before this one has come to here, or further.
      if (!await this.#isThere(key, write.offset)) throw writeIsGone(error);
    }
    await this.#tailsOf(key, write).removeAll();
  }

  async discard(key: string, state: ResumableState): Promise<void> {
    const write = s3State(state);
    const { uploadId } = write;
    if (uploadId !== "") await abortUpload(this.#client, { key: this.#prefix + key, uploadId });
    await this.#tailsOf(key, write).removeAll();
  }

  #tailsOf(key: string, { writeId }: S3State): S3Tails {
    return new S3Tails(this.#client, this.#prefix, key, writeId);
  }

  async #make(key: string, write: S3State): Promise<void> {
    const { contentType, uploadId, etags, tail, offset } = write;
    const upload = { key: this.#prefix + key, uploadId };
    if (etags.length === 0) {
      // An upload without parts can't be completed.
      await putObject(this.#client, upload.key, await this.#gatherTail(key, write), { contentType });
      if (uploadId !== "") await abortUpload(this.#client, upload);
      return;
    }
    const all = [...etags];
    if (tail > 0) {
      const last = await this.#gatherTail(key, write);
      all.push(await putPart(this.#client, upload, etags.length + 1, last));
      this.#blocks.give(last.blocks);
    }
    await completeUpload(this.#client, upload, all, () => this.#isThere(key, offset));
  }

  async #gatherTail(key: string, write: S3State): Promise<GatheredPart> {
    const never = new AbortController().signal;
    const tail = write.tail === 0 ? undefined : this.#tailsOf(key, write).read(
      { ...write, sizeBytes: write.tail },
      never,
    );
    const read = async () => await tail?.next() ?? { done: true as const, value: undefined };
    return await new PartGatherer({ read }, this.#blocks, never).next(Math.max(1, write.tail));
  }

  async #isThere(key: string, sizeBytes: number): Promise<boolean> {
    try {
      const headers = await this.#client.sendForHeaders({ method: "HEAD", key: this.#prefix + key });
      return Number(headers.get("content-length") ?? NaN) === sizeBytes;
    } catch (error) {
      if (error instanceof S3Error && error.code === "NoSuchKey") return false;
      throw error;
    }
  }
}

/** How far a call has come. */
class Progress {
  /** Bytes that were digested already and come first in the rest of the stream. */
  seenOfRest: number;
  readonly #options: AppendOptions;
  readonly #etags: string[];
  readonly #oldTailId: string;
  #state: S3State;
  #checkpointOffset: number;

  constructor(from: S3State, options: AppendOptions) {
    this.#state = from;
    this.#etags = from.etags;
    this.#oldTailId = from.tailId;
    this.seenOfRest = from.tail;
    this.#checkpointOffset = from.offset;
    this.#options = options;
  }

  async addPart({ blocks, etag }: { blocks: readonly Uint8Array[]; etag: string }): Promise<void> {
    this.#etags.push(etag);
    await this.#advance(blocks, { tail: 0, tailId: "" });
    this.seenOfRest = 0;
    if (this.#state.offset - this.#checkpointOffset >= CHECKPOINT_BYTES) await this.checkpoint();
  }

  async addTail(blocks: readonly Uint8Array[], { tailId, sizeBytes }: Tail): Promise<void> {
    await this.#advance(blocks, { tail: sizeBytes, tailId });
  }

  async checkpoint(): Promise<ResumableState> {
    const state = { ...this.#state, etags: [...this.#etags] };
    this.#checkpointOffset = state.offset;
    await this.#options.checkpoint(state);
    return state;
  }

  async #advance(blocks: readonly Uint8Array[], tail: { tail: number; tailId: string }): Promise<void> {
    let seenBytes = this.seenOfRest;
    let freshBytes = 0;
    for (const block of blocks) {
      const fresh = block.subarray(Math.min(seenBytes, block.length));
      seenBytes -= block.length - fresh.length;
      this.#options.digest.update(fresh);
      if (
        Math.floor((freshBytes + fresh.length) / DIGEST_STEP_BYTES) >
          Math.floor(freshBytes / DIGEST_STEP_BYTES)
      ) {
        await setImmediate();
      }
      freshBytes += fresh.length;
    }
    const offset = this.#state.offset + freshBytes;
    this.#state = { ...this.#state, ...tail, oldTailId: this.#oldTailId, offset };
  }
}

/**
 * Sends the parts that the stream fills; returns, when the store has them, what is left, if anything is. Of a write
 * without a multipart upload all is left.
 */
async function sendFullParts(
  uploads: PartUploads,
  { uploadId, etags }: S3State,
  gatherer: PartGatherer,
): Promise<GatheredPart | undefined> {
  const firstNumber = etags.length + 1;
  for (let partNumber = firstNumber;; partNumber++) {
    const sizeBytes = partSizeBytes(partNumber);
    await uploads.roomFor(sizeBytes);
    const part = await gatherer.next(sizeBytes);
    if (uploadId === "" && !part.isLast) {
      throw new ServiceError("too_large", "There are more bytes than the write was begun for.");
    }
    if (uploadId === "" || part.sizeBytes < sizeBytes) {
      await uploads.finished();
      return part;
    }
    await uploads.start(partNumber, part);
    if (part.isLast) {
      await uploads.finished();
      return undefined;
    }
  }
}

/** The tail, then the stream up to where it ends or errors; nothing if the stream has nothing. */
async function* goingOn(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  tail: () => AsyncGenerator<Uint8Array, void>,
  { tail: tailBytes }: S3State,
): AsyncGenerator<Uint8Array, void, undefined> {
  let next = await readOrEnd(reader);
  while (!next.done && next.value.length === 0) next = await readOrEnd(reader);
  if (!next.done && tailBytes > 0) yield* tail();
  for (; !next.done; next = await readOrEnd(reader)) yield next.value;
}

/** Whether a failure says that the write's upload or tail is not there. */
function isGone(error: unknown): boolean {
  if (error instanceof ServiceError) return error.code === "not_found";
  return error instanceof S3Error && (error.code === "NoSuchUpload" || error.code === "NoSuchKey");
}

function s3State(state: ResumableState): S3State {
  return {
    offset: bytesIn(state, "offset"),
    writeId: textIn(state, "writeId"),
    contentType: textIn(state, "contentType"),
    uploadId: textIn(state, "uploadId"),
    etags: textsIn(state, "etags"),
    tail: bytesIn(state, "tail"),
    tailId: textIn(state, "tailId"),
    oldTailId: textIn(state, "oldTailId"),
  };
}
