/**
 * Objects in a bucket of any S3-compatible service.
 *
 * Quirks of servers that this was tried with. MinIO lists open uploads by exact key only, and refuses keys with `//`.
 * s3rver can neither list nor abort uploads, gives no second page of a listing (it wants DES), takes the range 0-0 for
 * everything and `a//b` for `a/b`. Answers to HEAD have no body, so a missing bucket looks like a missing object there;
 * `check` tells them apart.
 */

import { ServiceError } from "../errors.ts";
import type {
  GetOptions,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  ResumableWrites,
  UnfinishedWrite,
} from "./object_store.ts";
import { encodeKey, type S3Config } from "./s3_address.ts";
import { S3Client, type S3ClientOptions } from "./s3_client.ts";
import { S3Error, toServiceError } from "./s3_errors.ts";
import { listObjects, listUploads } from "./s3_listing.ts";
import { S3Writer } from "./s3_multipart.ts";
import { SpareBlocks } from "./s3_parts.ts";
import { S3Resumable } from "./s3_resumable.ts";
import { abortUpload } from "./s3_uploads.ts";

/** A health check that takes longer says "unhealthy". */
const CHECK_TIMEOUT_MS = 3_000;

/** What a presigned URL says of the object, and for how long. */
export interface PresignOptions {
  /** At most seven days. */
  expiresSeconds: number;
  responseContentType?: string;
  responseContentDisposition?: string;
  /** Endpoint to put into the URL, when clients reach the service under another name. */
  endpoint?: string;
}

/** An object store in an S3 bucket. The bucket must exist; the key needs to read, write, delete and list. */
export class S3Store implements ObjectStore {
  readonly description: string;
  readonly resumable: ResumableWrites;
  readonly #client: S3Client;
  readonly #writer: S3Writer;
  /** Put before each key: `""`, or a path that ends with a slash. */
  readonly #prefix: string;

  /** Throws a `TypeError` with a sentence when the configuration makes no sense. Connects to nothing. */
  constructor(config: S3Config, options: S3ClientOptions = {}) {
    this.#client = new S3Client(config, options);
    const blocks = new SpareBlocks();
    this.#writer = new S3Writer(this.#client, blocks);
    const prefix = (config.prefix ?? "").replace(/^\/+|\/+$/g, "");
    this.#prefix = prefix && `${prefix}/`;
    if (!isKeyPrefix(prefix)) {
      throw new TypeError(`No S3 key can start with the prefix ${JSON.stringify(prefix)}.`);
    }
    this.resumable = this.#explainedWrites(new S3Resumable(this.#client, blocks, this.#prefix));
    this.description = `s3://${config.bucket}/${this.#prefix} at ${this.#client.address.endpoint}`;
  }

  async put(
    key: string,
    body: ReadableStream<Uint8Array>,
    options: PutOptions,
  ): Promise<{ sizeBytes: number }> {
    const contentType = headerValue(options.contentType);
    return await this.#explained(key, async () => ({
      sizeBytes: await this.#writer.write(this.#prefix + key, body, { ...options, contentType }),
    }));
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return await this.#explained(key, async () => {
      const response = await this.#client.sendForBody({
        method: "GET",
        key: this.#prefix + key,
        headers: range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` },
        signal,
      });
      // Bytes of another range than the one asked for would be taken for it.
      const given = response.headers.get("content-range") ?? "";
      const isAsAsked = range === undefined
        ? response.status === 200
        : response.status === 206 && given.startsWith(`bytes ${range.start}-${range.end}/`);
      if (!isAsAsked) {
        await response.body?.cancel();
        throw new S3Error({
          kind: "answered",
          status: response.status,
          code: "UnexpectedAnswer",
          message: `status ${response.status} ${given} where ${
            range === undefined ? "all" : "a range"
          } was asked for`,
        });
      }
      return response.body ?? new ReadableStream({ start: (controller) => controller.close() });
    });
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    try {
      return await this.#explained(key, async () => {
        const headers = await this.#client.sendForHeaders({ method: "HEAD", key: this.#prefix + key });
        const sizeBytes = Number(headers.get("content-length") ?? NaN);
        const lastModified = new Date(headers.get("last-modified") ?? NaN);
        if (!Number.isSafeInteger(sizeBytes) || Number.isNaN(lastModified.getTime())) {
          throw new S3Error({
            kind: "answered",
            code: "IncompleteHeaders",
            message: "the size or the date of an object is missing",
          });
        }
        return { key, sizeBytes, lastModified };
      });
    } catch (error) {
      if (error instanceof ServiceError && error.code === "not_found") return undefined;
      throw error;
    }
  }

  async delete(key: string): Promise<void> {
    try {
      await this.#explained(
        key,
        () => this.#client.sendForHeaders({ method: "DELETE", key: this.#prefix + key }),
      );
    } catch (error) {
      if (!(error instanceof ServiceError && error.code === "not_found")) throw error;
    }
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    for await (const object of this.#explainedAll(listObjects(this.#client, this.#prefix + prefix))) {
      yield { ...object, key: object.key.slice(this.#prefix.length) };
    }
  }

  async *listUnfinished(prefix: string): AsyncGenerator<UnfinishedWrite> {
    for await (const write of this.#explainedAll(listUploads(this.#client, this.#prefix + prefix))) {
      yield { ...write, key: write.key.slice(this.#prefix.length) };
    }
  }

  async discardUnfinished(write: UnfinishedWrite): Promise<void> {
    await this.#explained(write.key, async () => {
      await abortUpload(this.#client, { key: this.#prefix + write.key, uploadId: write.writeId });
    });
  }

  /**
   * Lists a prefix that nothing has: HEAD of the bucket would be cheaper, but its answer can't say what is wrong, and a
   * listing that is cut off fails in s3rver. That the store may be written to shows only when something is written.
   */
  async check(signal?: AbortSignal): Promise<void> {
    await this.#explained(undefined, () =>
      this.#client.sendForXml({
        method: "GET",
        query: { "list-type": "2", "max-keys": "1", prefix: `${this.#prefix}.check/` },
        retry: "never",
        timeoutMs: CHECK_TIMEOUT_MS,
        signal,
      }));
  }

  /**
   * A URL under which anybody can GET the object until it expires. Throws a `TypeError` without an access key: what
   * is open to everybody needs no signature.
   */
  async presignGet(key: string, options: PresignOptions): Promise<URL> {
    return await this.#client.presignGet(this.#prefix + key, options);
  }

  async #explained<T>(key: string | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#serviceError(error, key);
    }
  }

  async *#explainedAll<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
    try {
      yield* source;
    } catch (error) {
      throw this.#serviceError(error);
    }
  }

  #explainedWrites(writes: ResumableWrites): ResumableWrites {
    return {
      begin: (key, options) => {
        const contentType = headerValue(options.contentType);
        return this.#explained(key, () => writes.begin(key, { ...options, contentType }));
      },
      append: (key, ...rest) => this.#explained(key, () => writes.append(key, ...rest)),
      finish: (key, state) => this.#explained(key, () => writes.finish(key, state)),
      discard: (key, state) => this.#explained(key, () => writes.discard(key, state)),
    };
  }

  #serviceError(error: unknown, key?: string): unknown {
    const { bucket, endpoint } = this.#client.address;
    return toServiceError(error, { bucket, endpoint, key });
  }
}

function isKeyPrefix(prefix: string): boolean {
  if (prefix === "") return true;
  try {
    encodeKey(prefix);
    return true;
  } catch (error) {
    if (error instanceof ServiceError) return false;
    throw error;
  }
}

/**
 * A media type as a header may hold it. S3 keeps it as a label for those who read the bucket directly, so one with
 * letters that headers (and signatures) can't carry does not stop an upload.
 */
function headerValue(contentType: string): string {
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(contentType)
    ? contentType
    : "application/octet-stream";
}
