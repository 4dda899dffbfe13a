/**
 * The bytes of a resumable write that are no part yet: S3 refuses parts below 5 MiB except the last one (Amazon S3 User
 * Guide, "Multipart upload limits"), so what is left over at the end of a call waits for the next one in an object of its
 * own, at `unfinished/<key>/<write id>/<tail id>`.
 *
 * A tail is never written twice. So a state that counts one finds just these bytes, whatever calls after it did or began
 * to do, and a request that the store carries out late changes nothing that is in use.
 */

import type { S3Client } from "./s3_client.ts";
import { S3Error } from "./s3_errors.ts";
import { listObjects } from "./s3_listing.ts";
import type { GatheredPart } from "./s3_parts.ts";
import { CLEANUP_TIMEOUT_MS, putObject } from "./s3_uploads.ts";
import { writeIsGone } from "./resumable_state.ts";

/** Where tails lie, behind the store's own prefix. */
export const TAILS_FOLDER = "unfinished";

/** What a tail's content type says to those who read the bucket directly. */
const CONTENT_TYPE = "application/octet-stream";
/** Deadline of a read: this long, and what the bytes take on a slow link. */
const READ_TIMEOUT_MS = 30_000;
const MIN_BYTES_PER_MS = 65_536 / 1000;

/** A stored tail. */
export interface Tail {
  tailId: string;
  sizeBytes: number;
}

/** The tails of one write. */
export class S3Tails {
  readonly #client: S3Client;
  readonly #folder: string;

  /** `prefix` is the store's own, put before each key. */
  constructor(client: S3Client, prefix: string, key: string, writeId: string) {
    this.#client = client;
    this.#folder = `${prefix}${TAILS_FOLDER}/${key}/${writeId}/`;
  }

  /** Stores a tail under a new id. */
  async add(part: GatheredPart, signal: AbortSignal): Promise<Tail> {
    const tailId = crypto.randomUUID();
    await putObject(this.#client, this.#folder + tailId, part, { contentType: CONTENT_TYPE, signal });
    return { tailId, sizeBytes: part.sizeBytes };
  }

  /** The bytes of a tail. Throws `not_found` when the write is gone, and the signal's reason. */
  async *read({ tailId, sizeBytes }: Tail, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
    const deadline = new AbortController();
    const onDeadline = () => deadline.abort(broken("timed_out", "DeadlineExceeded"));
    const timer = setTimeout(onDeadline, READ_TIMEOUT_MS + sizeBytes / MIN_BYTES_PER_MS);
    const either = AbortSignal.any([signal, deadline.signal]);
    try {
      const key = this.#folder + tailId;
      const { body } = await this.#client.sendForBody({ method: "GET", key, signal: either });
      let leftBytes = sizeBytes;
      for await (const chunk of body ?? []) {
        leftBytes -= chunk.length;
        yield chunk;
      }
      if (leftBytes !== 0) throw broken("answered", "UnexpectedSize");
    } catch (error) {
      either.throwIfAborted();
      if (error instanceof S3Error) throw error.code === "NoSuchKey" ? writeIsGone(error) : error;
      throw broken("interrupted", "ConnectionBroken", error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Removes a tail that nothing needs any more, if that works; one that stays is for `removeAll`. Never throws. */
  async remove(tailId: string, signal: AbortSignal): Promise<void> {
    await this.#delete(this.#folder + tailId, signal).catch(() => {});
  }

  /** Removes whatever is left of the write's tails. */
  async removeAll(): Promise<void> {
    for await (const { key } of listObjects(this.#client, this.#folder)) await this.#delete(key);
  }

  async #delete(key: string, signal?: AbortSignal): Promise<void> {
    await this.#client.sendForHeaders({ method: "DELETE", key, timeoutMs: CLEANUP_TIMEOUT_MS, signal });
  }
}

function broken(kind: S3Error["kind"], code: string, cause?: unknown): S3Error {
  return new S3Error({ kind, code, message: "The end of an unfinished write can't be read.", cause });
}
