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
  MAX_PARTS_IN_FLIGHT,
  maxBuffers,
  PartGatherer,
  partSizeBytes,
  type SpareBuffers,
  tooLarge,
} from "./s3_parts.ts";
import { escapeXml, XmlError } from "./s3_xml.ts";

/** Completing a large upload may take minutes (Amazon S3 API Reference, "CompleteMultipartUpload"). */
const COMPLETE_TIMEOUT_MS = 5 * 60_000;
/** Deadline of each attempt to clear up after a failure. */
const CLEANUP_TIMEOUT_MS = 10_000;
/** `Last-Modified` has whole seconds, and clocks of one service differ a little. */
const FRESHNESS_SLACK_MS = 2_000;

/** Writes objects to one bucket. */
export class S3Writer {
  readonly #client: S3Client;
  readonly #buffers: SpareBuffers;

  constructor(client: S3Client, buffers: SpareBuffers) {
    this.#client = client;
    this.#buffers = buffers;
  }

  /**
   * Stores the stream under a whole key and returns its size in bytes. Throws what failed first: the stream's error,
   * the signal's reason, an `S3Error`, or `too_large` beyond 5 TiB. The stream is cancelled then.
   */
  async write(key: string, body: ReadableStream<Uint8Array>, options: PutOptions): Promise<number> {
    const { signal } = options;
    const stop = new AbortController();
    const onAbort = () => stop.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    const reader = body.getReader();
    // Wakes a read that waits for a slow source. A source that fails to be cancelled changes nothing.
    const cancelSource = () => void reader.cancel(stop.signal.reason).catch(() => {});
    stop.signal.addEventListener("abort", cancelSource, { once: true });
    try {
      if (stop.signal.aborted) cancelSource();
      stop.signal.throwIfAborted();
      const gatherer = new PartGatherer(reader, this.#buffers, stop.signal);
      const first = await gatherer.next(partSizeBytes(1), true);
      if (first.isLast) return await this.#putWhole(key, first, options.contentType, stop.signal);
      return await this.#putParts(key, first, gatherer, options.contentType, stop);
    } catch (error) {
      if (!stop.signal.aborted) stop.abort(error);
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Throws an open upload away; one that is gone is no error. */
  async abort(key: string, uploadId: string): Promise<void> {
    try {
      await this.#client.sendForHeaders({
        method: "DELETE",
        key,
        query: { uploadId },
        timeoutMs: CLEANUP_TIMEOUT_MS,
      });
    } catch (error) {
      if (!(error instanceof S3Error && (error.code === "NoSuchUpload" || error.code === "NoSuchKey"))) {
        throw error;
      }
    }
  }

  async #putWhole(
    key: string,
    part: GatheredPart,
    contentType: string,
    signal: AbortSignal,
  ): Promise<number> {
    const startedAtMs = this.#client.now();
    try {
      await this.#client.sendForHeaders({
        method: "PUT",
        key,
        headers: { "content-type": contentType },
        body: part.bytes,
        bodySha256: part.sha256,
        signal,
      });
    } catch (error) {
      if (!(error instanceof S3Error && isWithoutEffect(error))) {
        await this.#undoPut(key, part.bytes.length, startedAtMs);
      }
      throw error;
    }
    this.#buffers.give(part.buffer);
    return part.bytes.length;
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
    const uploadId = await this.#create(key, contentType, stop.signal);
    const upload = new PartUploads(this.#client, this.#buffers, key, uploadId, stop);
    try {
      await upload.sendAll(first, gatherer);
      // From here on the write can't be taken back, so it is not interrupted either.
      stop.signal.throwIfAborted();
      await this.#complete(key, upload, startedAtMs);
      return upload.sizeBytes;
    } catch (error) {
      if (!stop.signal.aborted) stop.abort(error);
      // S3 may keep a part that arrives after the abort, so parts on their way come first.
      await upload.settled();
      await this.abort(key, uploadId).catch((abortError: unknown) => {
        if (!(abortError instanceof S3Error)) throw abortError;
      });
      // Parts fail with the stop's reason once one of them has failed; the first failure is the cause.
      throw stop.signal.reason;
    }
  }

  async #create(key: string, contentType: string, signal: AbortSignal): Promise<string> {
    const answer = await this.#client.sendForXml({
      method: "POST",
      key,
      query: { uploads: "" },
      headers: { "content-type": contentType },
      retry: "without_effect",
      signal,
    });
    const uploadId = answer.requiredText("UploadId");
    if (uploadId === "") throw new XmlError("<UploadId> is empty");
    return uploadId;
  }

  async #complete(key: string, upload: PartUploads, startedAtMs: number): Promise<void> {
    const body = new TextEncoder().encode(upload.completionXml());
    try {
      await this.#client.sendForXml({
        method: "POST",
        key,
        query: { uploadId: upload.uploadId },
        headers: { "content-type": "application/xml" },
        body,
        bodySha256: await sha256Hex(body),
        timeoutMs: COMPLETE_TIMEOUT_MS,
      });
    } catch (error) {
      // A repeated completion finds no upload when the one before succeeded after all.
      const isOpen = !(error instanceof S3Error) || !isWithoutEffect(error) || error.code === "NoSuchUpload";
      if (!isOpen || !await this.#wasWritten(key, upload.sizeBytes, startedAtMs).catch(() => false)) {
        throw error;
      }
    }
  }
}

async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** The parts of one upload, a few of them on their way at a time. */
class PartUploads {
  readonly uploadId: string;
  /** Bytes given to the store so far, parts on their way included. */
  sizeBytes = 0;
  readonly #client: S3Client;
  readonly #buffers: SpareBuffers;
  readonly #key: string;
  readonly #stop: AbortController;
  readonly #inFlight = new Set<Promise<void>>();
  /** ETags by part number - 1. */
  readonly #etags: string[] = [];

  constructor(client: S3Client, buffers: SpareBuffers, key: string, uploadId: string, stop: AbortController) {
    this.#client = client;
    this.#buffers = buffers;
    this.#key = key;
    this.uploadId = uploadId;
    this.#stop = stop;
  }

  /** Sends the first part and all that follow; resolves when the store has them. */
  async sendAll(first: GatheredPart, gatherer: PartGatherer): Promise<void> {
    let part = first;
    for (let partNumber = 1;; partNumber++) {
      await this.#atMost(MAX_PARTS_IN_FLIGHT - 1);
      this.sizeBytes += part.bytes.length;
      if (this.sizeBytes > MAX_OBJECT_BYTES) throw tooLarge();
      this.#start(partNumber, part);
      if (part.isLast) break;
      const nextSizeBytes = partSizeBytes(partNumber + 1);
      await this.#atMost(maxBuffers(nextSizeBytes) - 1);
      part = await gatherer.next(nextSizeBytes, false);
    }
    await this.#atMost(0);
  }

  /** Resolves when no part is on its way. */
  async settled(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  /** The body of CompleteMultipartUpload. */
  completionXml(): string {
    const parts = this.#etags.map((etag, index) =>
      `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`
    );
    return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${
      parts.join("")
    }</CompleteMultipartUpload>`;
  }

  #start(partNumber: number, part: GatheredPart): void {
    const sending = this.#send(partNumber, part)
      // The first failure stops the others, the source, and the loop above.
      .catch((error: unknown) => this.#stop.abort(error))
      .finally(() => this.#inFlight.delete(sending));
    this.#inFlight.add(sending);
  }

  async #send(partNumber: number, part: GatheredPart): Promise<void> {
    const headers = await this.#client.sendForHeaders({
      method: "PUT",
      key: this.#key,
      query: { partNumber: String(partNumber), uploadId: this.uploadId },
      body: part.bytes,
      bodySha256: part.sha256,
      signal: this.#stop.signal,
    });
    const etag = headers.get("etag");
    if (!etag) {
      throw new S3Error({ kind: "answered", code: "MissingETag", message: "a stored part has no ETag" });
    }
    this.#etags[partNumber - 1] = etag;
    // Only after a success: nobody sends these bytes again.
    this.#buffers.give(part.buffer);
  }

  async #atMost(count: number): Promise<void> {
    while (this.#inFlight.size > count) await Promise.race(this.#inFlight);
    this.#stop.signal.throwIfAborted();
  }
}
