/**
 * Where bytes live: the seam between the use cases and a disk or an S3 bucket.
 *
 * A store knows keys and bytes; it knows nothing of assets or HTTP. Keys are relative, `/`-separated names such as
 * `asset/0198f0c2-…`. Every failure is a `ServiceError`: `not_found` for a missing object, `out_of_space` for a full
 * disk, `storage_error` for anything else the store did or failed to do. A read that breaks off midway surfaces as
 * whatever error its stream had.
 */

import type { Json } from "../collection/json.ts";

/** What a store says about one object. */
export interface ObjectInfo {
  key: string;
  sizeBytes: number;
  lastModified: Date;
}

/** A closed interval of bytes, both ends included, as in RFC 9110 §14.1.2. */
export interface ByteRange {
  start: number;
  end: number;
}

/** How an object is written. */
export interface PutOptions {
  /** Media type kept with the object where the store can keep one (S3's `Content-Type`). */
  contentType: string;
  /** Ends the write; nothing of it stays behind. */
  signal?: AbortSignal;
}

/** How an object is read. */
export interface GetOptions {
  /** Only these bytes; the caller has checked them against the object's size. */
  range?: ByteRange;
  signal?: AbortSignal;
}

/** A write that was begun and neither finished nor undone: a temporary file, an open multipart upload. */
export interface UnfinishedWrite {
  key: string;
  /** The store's own name for this write: a temporary file's name, an S3 upload id. */
  writeId: string;
  startedAt: Date;
}

/**
 * Where a resumable write stands: JSON that the caller keeps between calls, perhaps of other processes. Only `offset` is
 * for the caller to read; the rest is the store's own.
 */
export interface ResumableState {
  /** How many bytes are durable, in bytes. */
  offset: number;
  [own: string]: Json;
}

/** How a resumable write goes on. */
export interface AppendOptions {
  /**
   * Gets every byte exactly once, in order, and before the checkpoint whose offset covers it. So what it has seen at a
   * checkpoint is what is durable then.
   */
  digest: { update(bytes: Uint8Array): void };
  /** Called now and then, and at the end, with a state that survives the end of this process. */
  checkpoint: (state: ResumableState) => Promise<void>;
  /** Ends the call; what is durable by then stays. */
  signal?: AbortSignal;
}

/** Objects that are written over many calls. No object is there until `finish`; `discard` leaves nothing. */
export interface ResumableWrites {
  /** Begins a write of `sizeBytes` bytes in all. */
  begin(key: string, options: { contentType: string; sizeBytes: number }): Promise<ResumableState>;

  /**
   * Appends a stream behind `state.offset`; bytes behind that which an interrupted call has left are replaced. When the
   * stream errors, what came of it is made durable, and the call returns. Throws the failures of the store and
   * the signal's reason, and then the last checkpoint holds. Earlier states stay good until `append` is called with a later one.
   */
  append(
    key: string,
    state: ResumableState,
    body: ReadableStream<Uint8Array>,
    options: AppendOptions,
  ): Promise<ResumableState>;

  /** Makes the object of a write whose bytes are all there. May be repeated after a failure. */
  finish(key: string, state: ResumableState): Promise<void>;

  /** Throws the write away; one that is gone or finished is no error. */
  discard(key: string, state: ResumableState): Promise<void>;
}

/** A place for bytes. Implementations: `file_store.ts` (a folder), `s3_store.ts` (any S3-compatible service). */
export interface ObjectStore {
  /** One line for logs and `/health`: where the bytes go, without credentials. */
  readonly description: string;

  /**
   * Stores `body` under `key`, whole or not at all: when the stream errors, the signal fires or the store fails, no
   * object, temporary file or multipart upload is left. Replaces an object of the same key. Returns the size in bytes.
   */
  put(key: string, body: ReadableStream<Uint8Array>, options: PutOptions): Promise<{ sizeBytes: number }>;

  /** The bytes of an object, or of a range of it. Throws `not_found`. Cancelling the stream frees everything. */
  get(key: string, options?: GetOptions): Promise<ReadableStream<Uint8Array>>;

  /** What is known of an object, or `undefined` if there is none. */
  head(key: string): Promise<ObjectInfo | undefined>;

  /** Removes an object; one that is not there is no error. */
  delete(key: string): Promise<void>;

  /** All objects whose key starts with `prefix`, in key order where the store has one. */
  list(prefix: string): AsyncIterable<ObjectInfo>;

  /**
   * Writes under `prefix` that nobody finished, this process's running ones included. Some S3 services (MinIO) know only
   * whole keys here.
   */
  listUnfinished(prefix: string): AsyncIterable<UnfinishedWrite>;

  /** Throws an unfinished write away; one that is gone is no error. */
  discardUnfinished(write: UnfinishedWrite): Promise<void>;

  /** Writes that go on over many calls. */
  readonly resumable: ResumableWrites;

  /** Resolves when the store answers and may be written to; throws otherwise. For health checks. */
  check(signal?: AbortSignal): Promise<void>;
}
