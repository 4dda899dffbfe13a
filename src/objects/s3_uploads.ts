/** The requests that multipart uploads are made of, and the parts of one upload on their way to the store. */

import type { S3Client } from "./s3_client.ts";
import { isWithoutEffect, S3Error } from "./s3_errors.ts";
import { type GatheredPart, MAX_PARTS_IN_FLIGHT, maxParts, type SpareBlocks } from "./s3_parts.ts";
import { escapeXml, XmlError } from "./s3_xml.ts";

/** Completing a large upload may take minutes (Amazon S3 API Reference, "CompleteMultipartUpload"). */
const COMPLETE_TIMEOUT_MS = 5 * 60_000;
/** Deadline of each attempt to clear up after a failure. */
export const CLEANUP_TIMEOUT_MS = 10_000;

/** An open multipart upload. */
export interface Upload {
  /** The whole key of its object. */
  key: string;
  uploadId: string;
}

/** Opens an upload and returns its id. An answer that never arrives leaves one that nobody knows. */
export async function createUpload(
  client: S3Client,
  key: string,
  contentType: string,
  signal?: AbortSignal,
): Promise<string> {
  const answer = await client.sendForXml({
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

/** Throws an open upload away; one that is gone is no error. */
export async function abortUpload(client: S3Client, { key, uploadId }: Upload): Promise<void> {
  try {
    await client.sendForHeaders({
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

/**
 * Makes the object of an upload. `etags` are those of its parts, the first one first; `isThere` looks whether the object
 * has come into being when an answer does not tell.
 */
export async function completeUpload(
  client: S3Client,
  { key, uploadId }: Upload,
  etags: readonly string[],
  isThere: () => Promise<boolean>,
): Promise<void> {
  const body = new TextEncoder().encode(completionXml(etags));
  try {
    await client.sendForXml({
      method: "POST",
      key,
      query: { uploadId },
      headers: { "content-type": "application/xml" },
      body: [body],
      bodySha256: await sha256Hex(body),
      timeoutMs: COMPLETE_TIMEOUT_MS,
    });
  } catch (error) {
    // A repeated completion finds no upload when the one before succeeded after all.
    const isOpen = !(error instanceof S3Error) || !isWithoutEffect(error) || error.code === "NoSuchUpload";
    if (!isOpen || !await isThere().catch(() => false)) throw error;
  }
}

/** Stores one part; returns its ETag. */
export async function putPart(
  client: S3Client,
  { key, uploadId }: Upload,
  partNumber: number,
  { blocks, sha256 }: GatheredPart,
  signal?: AbortSignal,
): Promise<string> {
  const headers = await client.sendForHeaders({
    method: "PUT",
    key,
    query: { partNumber: String(partNumber), uploadId },
    body: blocks,
    bodySha256: sha256,
    signal,
  });
  const etag = headers.get("etag");
  if (!etag) {
    throw new S3Error({ kind: "answered", code: "MissingETag", message: "a stored part has no ETag" });
  }
  return etag;
}

/** Stores gathered bytes as an object of their own. */
export async function putObject(
  client: S3Client,
  key: string,
  { blocks, sha256 }: GatheredPart,
  options: { contentType: string; signal?: AbortSignal },
): Promise<void> {
  await client.sendForHeaders({
    method: "PUT",
    key,
    headers: { "content-type": options.contentType },
    body: blocks,
    bodySha256: sha256,
    signal: options.signal,
  });
}

/** The body of CompleteMultipartUpload. */
function completionXml(etags: readonly string[]): string {
  const parts = etags.map((etag, index) =>
    `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`
  );
  return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${
    parts.join("")
  }</CompleteMultipartUpload>`;
}

async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** What happens with a part that the store has. */
export type RecordPart = (
  part: { blocks: readonly Uint8Array[]; etag: string; partNumber: number },
) => Promise<void> | void;

/** The parts of one upload, a few of them on their way at a time. The first failure stops the whole write. */
export class PartUploads {
  readonly #client: S3Client;
  readonly #blocks: SpareBlocks;
  readonly #upload: Upload;
  readonly #stop: AbortController;
  readonly #record: RecordPart;
  readonly #inOrder: boolean;
  readonly #inFlight = new Set<Promise<void>>();
  /** Resolves when the part before is recorded. */
  #before: Promise<void> = Promise.resolve();

  /**
   * `record` gets each part once the store has it. With `inOrder` it gets them by their numbers, one after the other,
   * and until then a part counts as on its way.
   */
  constructor(
    parts: { client: S3Client; blocks: SpareBlocks; stop: AbortController },
    upload: Upload,
    record: RecordPart,
    { inOrder = false } = {},
  ) {
    this.#client = parts.client;
    this.#blocks = parts.blocks;
    this.#stop = parts.stop;
    this.#upload = upload;
    this.#record = record;
    this.#inOrder = inOrder;
  }

  /** Resolves when the part is on its way, which may have to wait for others. Throws the reason of the stop. */
  async start(partNumber: number, part: GatheredPart): Promise<void> {
    await this.#atMost(MAX_PARTS_IN_FLIGHT - 1);
    await this.#blocks.slots.take(this.#stop.signal);
    const sent = this.#send(partNumber, part, this.#before);
    if (this.#inOrder) this.#before = sent;
    const sending = sent
      // The first failure stops the others, the source, and whoever gathers.
      .catch((error: unknown) => this.#stop.abort(error))
      .finally(() => {
        this.#inFlight.delete(sending);
        this.#blocks.slots.release();
      });
    this.#inFlight.add(sending);
  }

  /** Resolves when there is room in memory to gather a part of that size. Throws the reason of the stop. */
  async roomFor(sizeBytes: number): Promise<void> {
    await this.#atMost(maxParts(sizeBytes) - 1);
  }

  /** Resolves when all parts are recorded. Throws the reason of the stop. */
  async finished(): Promise<void> {
    await this.#atMost(0);
  }

  /** Resolves when no part is on its way; never throws. */
  async settled(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  async #send(partNumber: number, part: GatheredPart, before: Promise<void>): Promise<void> {
    const { signal } = this.#stop;
    const etag = await putPart(this.#client, this.#upload, partNumber, part, signal);
    if (this.#inOrder) {
      await before;
      signal.throwIfAborted();
    }
    await this.#record({ blocks: part.blocks, etag, partNumber });
    // Only after a success: nobody sends these bytes again.
    this.#blocks.give(part.blocks);
  }

  async #atMost(count: number): Promise<void> {
    while (this.#inFlight.size > count) await Promise.race(this.#inFlight);
    this.#stop.signal.throwIfAborted();
  }
}
