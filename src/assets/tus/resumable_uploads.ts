/** Uploads over many requests: begun, continued, made an asset, thrown away. */
import { getLogger } from "@logtape/logtape";
import { v7 as uuidV7, validate as isUuid } from "uuid";
import { AlongsideChanged } from "../../collection/collection.ts";
import { type Once, recall, type Recorder, runOnce, together } from "../../collection/idempotency.ts";
import type { Alongside } from "../../collection/truth.ts";
import { ServiceError } from "../../errors.ts";
import type { AssetService } from "../service.ts";
import { fileTypeOf, plannedDraft, storedDraft } from "../upload.ts";
import { RunningDigests } from "./running_digests.ts";
import { digestOf } from "./upload_body.ts";
import { type AppendOptions, UploadBytes } from "./upload_bytes.ts";
import { fileOf, readMetadata, type TusMetadata } from "./upload_metadata.ts";
import { disturbed, type StoredRecord, type UploadRecord, UploadRecords } from "./upload_records.ts";

const log = getLogger(["assets-server", "assets"]);

/** How long an upload may take, and how long a finished one can be asked about: a client that is away for a weekend goes on. */
const DEFAULT_EXPIRATION_MS = 7 * 24 * 60 * 60 * 1000;

/** How many uploads may be open at once: each holds a file or a multipart upload, and a record, for up to seven days. */
const MAX_OPEN_UPLOADS = 1000;

/** Failures that no repetition would mend: such an upload is over. */
const FINAL_CODES = new Set([
  "already_exists",
  "checksum_mismatch",
  "invalid_request",
  "invalid_json",
  "too_large",
]);

/** What a client says of an upload when it begins. */
interface NewUpload {
  sizeBytes: number;
  metadata: TusMetadata;
}

/** The resumable uploads of one Assets DB. */
export class ResumableUploads {
  readonly expirationMs: number;
  readonly #service: AssetService;
  readonly #records: UploadRecords;
  readonly #digests = new RunningDigests();
  readonly #bytes: UploadBytes;
  /** The uploads that have not become assets, as far as this process knows: what other nodes do it hears with each sweep. */
  readonly #open = new Set<string>();
  readonly #maxOpen: number;
  /** The last request on each upload, which the next one waits for. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(service: AssetService, options: { expirationMs?: number; maxOpen?: number } = {}) {
    this.#service = service;
    this.#records = new UploadRecords(service.options.kv, service.options.assetsDbId);
    this.#bytes = new UploadBytes({
      writes: service.options.store.resumable,
      records: this.#records,
      digests: this.#digests,
    });
    this.expirationMs = options.expirationMs ?? DEFAULT_EXPIRATION_MS;
    this.#maxOpen = options.maxOpen ?? MAX_OPEN_UPLOADS;
  }

  /** A name for an upload to come; its asset will have it as its id. */
  newId(): string {
    return uuidV7();
  }

  /** The id of the upload that a request with this key has begun, if one has. Throws as `create` does. */
  async begunBy(once: Once): Promise<string | undefined> {
    const outcome = await recall(this.#service.options.kv, once);
    return outcome && String(outcome.id);
  }

  /** Whether a request with this key was done. */
  async wasDone(once: Once): Promise<boolean> {
    return await recall(this.#service.options.kv, once) !== undefined;
  }

  /**
   * Begins an upload, or finds the one that the same request has begun. Metadata that could never become an asset are refused
   * here, before a byte is sent.
   *
   * @throws {ServiceError} `invalid_request`, `already_exists`, `too_many_requests`, and what the store throws; `not_found` if
   * the upload that the request has begun is gone
   */
  async create(id: string, upload: NewUpload, once?: Once): Promise<UploadRecord> {
    let begun: UploadRecord | undefined;
    const outcome = await runOnce(this.#service.options.kv, once, async (recordOf) => {
      begun = await this.#begin(id, upload, recordOf);
      return { id };
    });
    const record = begun ?? (await this.#recordOf(String(outcome.id)))?.record;
    if (record) return record;
    throw new ServiceError(
      "not_found",
      "The upload that was begun with this Idempotency-Key is gone: it failed at its end, was deleted or has expired.",
    );
  }

  async #begin(id: string, upload: NewUpload, recordOf: Recorder): Promise<UploadRecord> {
    if (this.#open.size >= this.#maxOpen) throw tooManyOpen(this.#maxOpen);
    this.#open.add(id);
    try {
      return await this.#store(id, upload, recordOf);
    } catch (error) {
      this.#open.delete(id);
      throw error;
    }
  }

  async #store(id: string, upload: NewUpload, recordOf: Recorder): Promise<UploadRecord> {
    const metadata = readMetadata(upload.metadata);
    await this.#service.checkFree(plannedDraft(this.#service, metadata));
    const { store } = this.#service.options;
    const objectKey = `asset/${id}`;
    const entry = await this.#service.journal.begin(id, objectKey);
    try {
      const contentType = fileTypeOf(fileOf(upload.metadata), metadata);
      const state = await store.resumable.begin(objectKey, { contentType, sizeBytes: upload.sizeBytes });
      const createdAt = new Date();
      const record = { id, objectKey, ...upload, createdAt: createdAt.toISOString(), state, asset: null };
      const expiresAt = createdAt.getTime() + this.expirationMs;
      const alongside = together(await recordOf({ id }), await entry.settle());
      return (await this.#records.add({ ...record, expiresAt }, alongside)).record;
    } catch (error) {
      await entry.undo(store).catch((failure) =>
        log.warn("{objectKey} is to be removed, later: {failure}", { objectKey, failure })
      );
      throw error;
    }
  }

  /**
   * The record of an upload.
   *
   * @throws {ServiceError} `not_found`, also when it has expired
   */
  async get(id: string): Promise<UploadRecord> {
    await this.#busy.get(id);
    return (await this.#find(id)).record;
  }

  /**
   * Appends to an upload what a stream brings, up to where it ends or breaks.
   *
   * @param offset where the client believes the upload to stand
   * @returns the new offset, in bytes
   * @throws {ServiceError} `not_found`, `offset_mismatch`, `checksum_mismatch`, `locked`, and what the store throws
   */
  async append(
    id: string,
    offset: number,
    body: ReadableStream<Uint8Array>,
    options: AppendOptions = {},
  ): Promise<number> {
    return await this.#alone(id, async () => {
      const stored = await this.#find(id);
      if (options.isFirst) return await this.#bytes.appendFirst(stored, body, options.checksum);
      // An empty piece behind the end of one that is an asset already.
      if (stored.record.asset && stored.record.sizeBytes === offset) return offset;
      if (stored.record.state.offset === offset) {
        return await this.#bytes.append(stored, body, options.checksum);
      }
      throw new ServiceError(
        "offset_mismatch",
        `The upload stands at ${stored.record.state.offset}, not at ${offset}.`,
      );
    });
  }

  /**
   * Makes the asset of an upload whose bytes are all there; one that it has become already is given again.
   *
   * @throws {ServiceError} `already_exists`, `checksum_mismatch`, `invalid_request`: nothing is left of the upload then
   */
  async complete(id: string): Promise<{ uri: string; id: string }> {
    return await this.#alone(id, async () => {
      const stored = await this.#find(id);
      if (stored.record.asset) return stored.record.asset;
      try {
        return await this.#complete(stored);
      } catch (error) {
        const isFinal = error instanceof ServiceError && FINAL_CODES.has(error.code);
        if (!isFinal && !(error instanceof AlongsideChanged)) throw error;
        // What is in the way may be the asset that another node has made of this very upload.
        const now = (await this.#records.get(id))?.record;
        if (now?.asset) return now.asset;
        if (!isFinal) {
          // Thrown away by another node, perhaps before the object was there.
          const { assets, options: { store } } = this.#service;
          const isOver = !now || now.isDiscarded;
          if (isOver && !await assets.get(id)) await store.delete(stored.record.objectKey);
          throw disturbed(error);
        }
        await this.#discard(stored);
        throw error;
      }
    });
  }

  /**
   * Throws an upload away; the asset that it may have become stays.
   *
   * @throws {ServiceError} `not_found`; `locked` if it was changed meanwhile
   */
  async remove(id: string, once?: Once): Promise<void> {
    await runOnce(this.#service.options.kv, once, (recordOf) =>
      this.#alone(id, async () => {
        if (await this.#discard(await this.#find(id), await recordOf({}))) return {};
        throw disturbed();
      }));
  }

  /** Throws expired uploads away. Returns how many. */
  async sweep(options: { now?: number; signal?: AbortSignal } = {}): Promise<number> {
    const { now = Date.now(), signal } = options;
    let swept = 0;
    const gone = new Set(this.#open);
    for await (const id of this.#records.ids()) {
      signal?.throwIfAborted();
      const stored = await this.#records.get(id);
      gone.delete(id);
      if (stored && !stored.record.asset) this.#open.add(id);
      else this.#open.delete(id);
      if (!stored || (stored.record.expiresAt > now && !stored.record.isDiscarded)) continue;
      if (await this.#alone(id, () => this.#discard(stored))) swept++;
    }
    for (const id of gone) if (!await this.#records.get(id)) this.#open.delete(id);
    return swept;
  }

  async #find(id: string): Promise<StoredRecord> {
    const stored = await this.#recordOf(id);
    if (stored) return stored;
    throw new ServiceError("not_found", "There is no such upload.");
  }

  async #recordOf(id: string): Promise<StoredRecord | undefined> {
    // Whatever else a client puts into the path was never the name of an upload.
    const stored = isUuid(id) ? await this.#records.get(id) : undefined;
    const isThere = stored && stored.record.expiresAt > Date.now() && !stored.record.isDiscarded;
    return isThere ? stored : undefined;
  }

  /** Runs one piece of work on an upload after the other. */
  async #alone<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(id) ?? Promise.resolve();
    const running = before.then(work, work);
    const settled = running.catch(() => {});
    this.#busy.set(id, settled);
    try {
      return await running;
    } finally {
      if (this.#busy.get(id) === settled) this.#busy.delete(id);
    }
  }

  async #complete(stored: StoredRecord): Promise<{ uri: string; id: string }> {
    const { record } = stored;
    const { id, objectKey, sizeBytes } = record;
    const { store } = this.#service.options;
    await store.resumable.finish(objectKey, record.state);
    const sha256 = this.#digests.at(id, record.state.offset)?.digest("hex") ??
      await digestOf(await store.get(objectKey));
    const file = { ...fileOf(record.metadata), id, objectKey, sizeBytes, sha256 };
    const document = storedDraft(this.#service, readMetadata(record.metadata), file);
    await this.#service.checkFree(document);
    const asset = { uri: document.asset_uri, id: document.asset_id };
    await this.#service.assets.insert(id, document, this.#records.replacement(stored, { ...record, asset }));
    this.#digests.forget(id);
    this.#open.delete(id);
    return asset;
  }

  /**
   * Throws an upload away. `false` if it has changed since it was read: it may have become an asset, whose file must stay.
   *
   * @param alongside written with the decision to do so
   */
  async #discard(stored: StoredRecord, alongside?: Alongside): Promise<boolean> {
    const { id, objectKey, state, asset } = stored.record;
    const { store } = this.#service.options;
    // Decided first and done then; what a crash or a store that is away leaves undone the next sweep does.
    const decided = await this.#records.replaceIfSame(
      stored,
      { ...stored.record, isDiscarded: true },
      alongside,
    );
    if (!decided) return false;
    this.#digests.forget(id);
    this.#open.delete(id);
    try {
      if (!asset) {
        await store.resumable.discard(objectKey, state);
        await store.delete(objectKey);
      }
      await this.#records.remove(decided);
    } catch (error) {
      log.warn("What is left of the upload {objectKey} is to be removed, later: {error}", {
        objectKey,
        error,
      });
    }
    return true;
  }
}

function tooManyOpen(maxOpen: number): ServiceError {
  return new ServiceError(
    "too_many_requests",
    `${maxOpen} uploads are open, and this server keeps no more: finish or delete some.`,
    { headers: { "Retry-After": "60" } },
  );
}
