/**
 * What is known of resumable uploads, kept in the KV: so they survive a restart, and any node that shares the KV and the
 * store can go on with them. A record names its object, so it is also what the sweeper goes by when nobody comes back.
 *
 * | key                              | value                               |
 * | -------------------------------- | ----------------------------------- |
 * | `["tus", assets_db_id, id]`      | the record (`large_value.ts`)       |
 * | `["tus-chunk", assets_db_id, id, n]` | a piece of a record too large for one value |
 */
import { isJsonObject, type JsonObject } from "../../collection/json.ts";
import {
  getLarge,
  jsonBytes,
  type LargeKey,
  type LargeValue,
  setLarge,
} from "../../collection/large_value.ts";
import { deleteLarge } from "../../collection/large_value.ts";
import type { Alongside } from "../../collection/truth.ts";
import { ServiceError } from "../../errors.ts";
import type { ResumableState } from "../../objects/object_store.ts";
import type { FirstBytes } from "./upload_body.ts";
import type { TusMetadata } from "./upload_metadata.ts";

/** One resumable upload. */
export interface UploadRecord {
  id: string;
  objectKey: string;
  /** The size of the whole file. */
  sizeBytes: number;
  /** The client's `Upload-Metadata`, decoded. */
  metadata: TusMetadata;
  /** ISO 8601. */
  createdAt: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  /** Where the store stands. */
  state: ResumableState;
  /** The asset that it became. */
  asset: { uri: string; id: string } | null;
  /** What came with its creation, if that may be repeated. */
  first?: FirstBytes;
  /** It is over, and what is left of it is being removed. */
  isDiscarded?: boolean;
}

/** A record as it was read. */
export interface StoredRecord {
  record: UploadRecord;
  versionstamp: string;
  pieces: number;
}

/** The records of one Assets DB. */
export class UploadRecords {
  readonly #kv: Deno.Kv;
  readonly #assetsDbId: string;

  constructor(kv: Deno.Kv, assetsDbId: string) {
    this.#kv = kv;
    this.#assetsDbId = assetsDbId;
  }

  /** The record of an upload, if there is one. */
  async get(id: string): Promise<StoredRecord | undefined> {
    const found = await getLarge(this.#kv, this.#at(id));
    return found && parse(found);
  }

  /** Writes a new record, and what is alongside, in one commit. Returns it as stored. */
  async add(record: UploadRecord, alongside: Alongside): Promise<StoredRecord> {
    const operation = this.#kv.atomic().check({ key: this.#at(record.id).key, versionstamp: null });
    if (alongside.checks) operation.check(...alongside.checks);
    const pieces = setLarge(operation, this.#at(record.id), jsonBytes(asJson(record)));
    alongside.write?.(operation);
    const result = await operation.commit();
    if (!result.ok) throw disturbed();
    return { record, versionstamp: result.versionstamp, pieces };
  }

  /**
   * Replaces a record.
   *
   * @throws {ServiceError} `locked` if it was changed by somebody else since it was read
   */
  async replace(stored: StoredRecord, record: UploadRecord): Promise<StoredRecord> {
    return await this.replaceIfSame(stored, record) ?? Promise.reject(disturbed());
  }

  /** Replaces a record, and writes what is alongside; `undefined` if it was changed by somebody else since it was read. */
  async replaceIfSame(
    stored: StoredRecord,
    record: UploadRecord,
    alongside: Alongside = {},
  ): Promise<StoredRecord | undefined> {
    const at = this.#at(record.id);
    const operation = this.#kv.atomic().check({ key: at.key, versionstamp: stored.versionstamp });
    if (alongside.checks) operation.check(...alongside.checks);
    const pieces = setLarge(operation, at, jsonBytes(asJson(record)), { previousPieces: stored.pieces });
    alongside.write?.(operation);
    const result = await operation.commit();
    return result.ok ? { record, versionstamp: result.versionstamp, pieces } : undefined;
  }

  /** The replacement of a record as a part of another commit. */
  replacement({ record: { id }, versionstamp, pieces }: StoredRecord, record: UploadRecord): Alongside {
    const at = this.#at(id);
    return {
      checks: [{ key: at.key, versionstamp }],
      write: (operation) =>
        void setLarge(operation, at, jsonBytes(asJson(record)), { previousPieces: pieces }),
    };
  }

  /** Removes a record; `false` if it was changed by somebody else since it was read. */
  async remove({ record: { id }, versionstamp, pieces }: StoredRecord): Promise<boolean> {
    const operation = this.#kv.atomic().check({ key: this.#at(id).key, versionstamp });
    deleteLarge(operation, this.#at(id), pieces);
    return (await operation.commit()).ok;
  }

  /** The ids of all uploads, oldest first. */
  async *ids(): AsyncGenerator<string> {
    for await (const { key } of this.#kv.list({ prefix: ["tus", this.#assetsDbId] })) {
      const id = key[2];
      if (typeof id === "string") yield id;
    }
  }

  #at(id: string): LargeKey {
    return { key: ["tus", this.#assetsDbId, id], piecePrefix: ["tus-chunk", this.#assetsDbId, id] };
  }
}

function parse({ text, versionstamp, pieces }: LargeValue): StoredRecord {
  const record: unknown = JSON.parse(text);
  if (!isRecord(record)) throw new TypeError("Not the record of an upload");
  return { record, versionstamp, pieces };
}

function isRecord(value: unknown): value is UploadRecord {
  return isJsonObject(value) && typeof value.objectKey === "string" && isJsonObject(value.state) &&
    typeof value.state.offset === "number";
}

function asJson({ first, ...record }: UploadRecord): JsonObject {
  return first ? { ...record, first: { ...first } } : { ...record };
}

/** The error of a record that somebody else has changed. */
export function disturbed(cause?: unknown): ServiceError {
  return new ServiceError("locked", "Another request is working on this upload.", { cause });
}
