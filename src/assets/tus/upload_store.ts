/** What `@tus/server` calls a data store, over our resumable uploads. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Readable } from "node:stream";
import { DataStore, Upload } from "@tus/server";
import type { Once } from "../../collection/idempotency.ts";
import type { ResumableUploads } from "./resumable_uploads.ts";
import type { ChunkChecksum } from "./upload_body.ts";
import type { UploadRecord } from "./upload_records.ts";

/** What the protocol's handlers do not pass on to a data store. */
export interface UploadRequest {
  checksum?: ChunkChecksum;
  /** The request may be repeated with its key. */
  once?: Once;
}

/** The request at hand. */
export const uploadRequest = new AsyncLocalStorage<UploadRequest>();

/** The seam between the protocol and the uploads. */
export class UploadStore extends DataStore {
  override extensions = ["creation", "creation-with-upload", "termination", "expiration", "checksum"];
  readonly #uploads: ResumableUploads;

  constructor(uploads: ResumableUploads) {
    super();
    this.#uploads = uploads;
  }

  override async create(upload: Upload): Promise<Upload> {
    const { id, size = 0, metadata = {} } = upload;
    const { once } = uploadRequest.getStore() ?? {};
    const record = await this.#uploads.create(id, { sizeBytes: size, metadata }, once);
    upload.id = record.id;
    upload.creation_date = record.createdAt;
    return upload;
  }

  override async write(stream: Readable, id: string, offset: number): Promise<number> {
    const { checksum, once } = uploadRequest.getStore() ?? {};
    // Of the requests that bring bytes, creations have keys.
    return await this.#uploads.append(id, offset, webStream(stream), {
      checksum,
      isFirst: once !== undefined,
    });
  }

  override async getUpload(id: string): Promise<Upload> {
    return asUpload(await this.#uploads.get(id));
  }

  override async remove(id: string): Promise<void> {
    await this.#uploads.remove(id, uploadRequest.getStore()?.once);
  }

  override getExpiration(): number {
    return this.#uploads.expirationMs;
  }
}

function asUpload({ id, sizeBytes, metadata, createdAt, state }: UploadRecord): Upload {
  return new Upload({ id, size: sizeBytes, offset: state.offset, metadata, creation_date: createdAt });
}

/** Node's own conversion queues many chunks; this one takes the next when it is asked for. */
function webStream(readable: Readable): ReadableStream<Uint8Array> {
  const chunks: AsyncIterator<Uint8Array> = readable[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return?.();
    },
  }, { highWaterMark: 0 });
}
