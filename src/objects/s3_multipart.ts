/**
 * One object written from a stream: with a single PUT if it fits into one part, else as a multipart upload.
 *
 * A write is whole or not at all. Until `CompleteMultipartUpload` has succeeded the object does not exist, and whatever
 * fails before that aborts the upload. Two things stay open, and an owner's journal must close them: an upload that was
 * created but whose id never arrived, and a request that the store carries out after its client gave up.
 */

import type { PutOptions } from "./object_store.ts";
import type { S3Client } from "./s3_client.ts";
import { isWithoutEffect, S3Error } from "./s3_errors.ts";
import {
  type GatheredPart,
  MAX_OBJECT_BYTES,
  PartGatherer,
  partSizeBytes,
  type SpareBlocks,
  tooLarge,
} from "./s3_parts.ts";
import {
  abortUpload,
  CLEANUP_TIMEOUT_MS,
  completeUpload,
  createUpload,
  PartUploads,
  putObject,
} from "./s3_uploads.ts";
import { readStoppably } from "./stoppable_source.ts";

/** `Last-Modified` has whole seconds, and clocks of one service differ a little. */
const FRESHNESS_SLACK_MS = 2_000;

/** Writes objects to one bucket. */
export class S3Writer {
  readonly #client: S3Client;
  readonly #blocks: SpareBlocks;

  constructor(client: S3Client, blocks: SpareBlocks) {
    this.#client = client;
    this.#blocks = blocks;
  }

  /**
   * Stores the stream under a whole key and returns its size in bytes. Throws what failed first: the stream's error,
   * the signal's reason, an `S3Error`, or `too_large` beyond 5 TiB. The stream is cancelled then.
   */
  async write(key: string, body: ReadableStream<Uint8Array>, options: PutOptions): Promise<number> {
    const { signal, contentType } = options;
    return await readStoppably(body, signal, async (reader, stop) => {
      const gatherer = new PartGatherer(reader, this.#blocks, stop.signal);
      const first = await gatherer.next(partSizeBytes(1));
      if (first.isLast) return await this.#putWhole(key, first, contentType, stop.signal);
      return await this.#putParts(key, first, gatherer, contentType, stop);
    });
  }

  async #putWhole(
    key: string,
    part: GatheredPart,
    contentType: string,
    signal: AbortSignal,
  ): Promise<number> {
    const startedAtMs = this.#client.now();
    try {
      await putObject(this.#client, key, part, { contentType, signal });
    } catch (error) {
      if (!(error instanceof S3Error && isWithoutEffect(error))) {
        await this.#undoPut(key, part.sizeBytes, startedAtMs);
      }
      throw error;
    }
    this.#blocks.give(part.blocks);
    return part.sizeBytes;
  }

  /** Removes what a PUT with an unknown end may have left, and no object that was there before. */
  async #undoPut(key: string, sizeBytes: number, startedAtMs: number): Promise<void> {
    try {
      if (await this.#wasWritten(key, sizeBytes, startedAtMs)) {
        await this.#client.sendForHeaders({ method: "DELETE", key, timeoutMs: CLEANUP_TIMEOUT_MS });
      }
    } catch (error) {
      // The first failure is the one to tell; a store that is away can't be cleared up.
      if (!(error instanceof S3Error)) throw error;
    }
  }

  /** Whether there is an object of that size which is no older than this write, by the store's own clock. */
  async #wasWritten(key: string, sizeBytes: number, startedAtMs: number): Promise<boolean> {
    const headers = await this.#client.sendForHeaders({ method: "HEAD", key, timeoutMs: CLEANUP_TIMEOUT_MS })
      .catch((error: unknown) => {
        if (error instanceof S3Error && error.code === "NoSuchKey") return undefined;
        throw error;
      });
    if (headers === undefined || Number(headers.get("content-length")) !== sizeBytes) return false;
    const nowMs = this.#client.now();
    const storeNowMs = Date.parse(headers.get("date") ?? "") || nowMs;
    const ageMs = storeNowMs - Date.parse(headers.get("last-modified") ?? "");
    return ageMs <= nowMs - startedAtMs + FRESHNESS_SLACK_MS;
  }

  async #putParts(
    key: string,
    first: GatheredPart,
    gatherer: PartGatherer,
    contentType: string,
    stop: AbortController,
  ): Promise<number> {
    const startedAtMs = this.#client.now();
    const upload = { key, uploadId: await createUpload(this.#client, key, contentType, stop.signal) };
    const etags: string[] = [];
    const uploads = new PartUploads(
      { client: this.#client, blocks: this.#blocks, stop },
      upload,
      ({ etag, partNumber }) => void (etags[partNumber - 1] = etag),
    );
    try {
      const sizeBytes = await sendAll(uploads, first, gatherer);
      // From here on the write can't be taken back, so it is not interrupted either.
      stop.signal.throwIfAborted();
      await completeUpload(
        this.#client,
        upload,
        etags,
        () => this.#wasWritten(key, sizeBytes, startedAtMs),
      );
      return sizeBytes;
    } catch (error) {
      if (!stop.signal.aborted) stop.abort(error);
      // S3 may keep a part that arrives after the abort, so parts on their way come first.
      await uploads.settled();
      await abortUpload(this.#client, upload).catch((abortError: unknown) => {
        if (!(abortError instanceof S3Error)) throw abortError;
      });
      // Parts fail with the stop's reason once one of them has failed; the first failure is the cause.
      throw stop.signal.reason;
    }
  }
}

/** Sends the first part and all that follow; returns their size in bytes when the store has them. */
async function sendAll(uploads: PartUploads, first: GatheredPart, gatherer: PartGatherer): Promise<number> {
  let part = first;
  let sizeBytes = 0;
  for (let partNumber = 1;; partNumber++) {
    sizeBytes += part.sizeBytes;
    if (sizeBytes > MAX_OBJECT_BYTES) throw tooLarge();
    await uploads.start(partNumber, part);
    if (part.isLast) break;
    const nextSizeBytes = partSizeBytes(partNumber + 1);
    await uploads.roomFor(nextSizeBytes);
    part = await gatherer.next(nextSizeBytes);
  }
  await uploads.finished();
  return sizeBytes;
}
