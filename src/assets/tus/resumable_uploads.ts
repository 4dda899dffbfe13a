/**
 * Uploads over many requests: begun, continued, made an asset, thrown away.
 *
 * The checksum: SHA-256 goes along in memory, copied at each checkpoint, for as long as one process sees every byte. Node's
 * hash cannot be kept outside the process, and one that can be (in WebAssembly) is six times slower; so after a restart or on
 * another node the finished object is read once before it becomes an asset.
 */
import { createHash, type Hash } from "node:crypto";
import { getLogger } from "@logtape/logtape";
import { v7 as uuidV7, validate as isUuid } from "uuid";
import { AlongsideChanged } from "../../collection/collection.ts";
import { ServiceError } from "../../errors.ts";
import { parseJson } from "../../http/json_body.ts";
import type { ResumableState } from "../../objects/object_store.ts";
import { validate } from "../../validation.ts";
import { type FileDescription, fileDescription, type UploadMetadata, uploadMetadata } from "../schema.ts";
import type { AssetService } from "../service.ts";
import { fileTypeOf, plannedDraft, storedDraft } from "../upload.ts";
import { type StoredRecord, type UploadRecord, UploadRecords } from "./upload_records.ts";

const log = getLogger(["assets-server", "assets"]);

/** How long an upload may take, and how long a finished one can be asked about. */
const DEFAULT_EXPIRATION_MS = 7 * 24 * 60 * 60 * 1000;

/** How many checksums on their way are kept; the oldest go, and their files are read once more at the end. */
const MAX_RUNNING_DIGESTS = 1000;

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

/** A digest of the first `offset` bytes of an upload. */
interface RunningDigest {
  offset: number;
  hash: Hash;
}

/** What a client wants checked of one request's body. */
export interface ChunkChecksum {
  algorithm: "sha1" | "sha256" | "md5";
  /** The digest in Base64. */
  expected: string;
}

/** What a client says of an upload when it begins. */
interface NewUpload {
  sizeBytes: number;
  /** `Upload-Metadata`, decoded. */
  metadata: Record<string, string | null>;
}

/** The resumable uploads of one Assets DB. */
export class ResumableUploads {
  readonly expirationMs: number;
  readonly #service: AssetService;
  readonly #records: UploadRecords;
  readonly #digests = new Map<string, RunningDigest>();
  /** The uploads that have not become assets, as far as this process knows: what other nodes do it hears with each sweep. */
  readonly #open = new Set<string>();
  readonly #maxOpen: number;
  /** The last request on each upload, which the next one waits for. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(service: AssetService, options: { expirationMs?: number; maxOpen?: number } = {}) {
    this.#service = service;
    this.#records = new UploadRecords(service.options.kv, service.options.assetsDbId);
    this.expirationMs = options.expirationMs ?? DEFAULT_EXPIRATION_MS;
    this.#maxOpen = options.maxOpen ?? MAX_OPEN_UPLOADS;
  }

  /** A name for an upload to come; its asset will have it as its id. */
  newId(): string {
    return uuidV7();
  }

  /**
   * Begins an upload. Metadata that could never become an asset are refused here, before a byte is sent.
   *
   * @throws {ServiceError} `invalid_request`, `already_exists`, `too_many_requests`, and what the store throws
   */
  async create(id: string, upload: NewUpload): Promise<UploadRecord> {
    if (this.#open.size >= this.#maxOpen) throw tooManyOpen(this.#maxOpen);
    this.#open.add(id);
    try {
      return await this.#create(id, upload);
    } catch (error) {
      this.#open.delete(id);
      throw error;
    }
  }

  async #create(id: string, upload: NewUpload): Promise<UploadRecord> {
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
      return (await this.#records.add({ ...record, expiresAt }, await entry.settle())).record;
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
    checksum?: ChunkChecksum,
  ): Promise<number> {
    return await this.#alone(id, async () => {
      const stored = await this.#find(id);
      if (stored.record.state.offset !== offset) {
        throw new ServiceError(
          "offset_mismatch",
          `The upload stands at ${stored.record.state.offset}, not at ${offset}.`,
        );
      }
      return await this.#append(stored, body, checksum);
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
        if (error instanceof AlongsideChanged) {
          return (await this.#find(id)).record.asset ?? Promise.reject(error);
        }
        if (error instanceof ServiceError && FINAL_CODES.has(error.code)) await this.#discard(stored);
        throw error;
      }
    });
  }

  /**
   * Throws an upload away; the asset that it may have become stays.
   *
   * @throws {ServiceError} `not_found`
   */
  async remove(id: string): Promise<void> {
    await this.#alone(id, async () => await this.#discard(await this.#find(id)));
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
      if (!stored || stored.record.expiresAt > now) continue;
      await this.#alone(id, () => this.#discard(stored));
      swept++;
    }
    for (const id of gone) if (!await this.#records.get(id)) this.#open.delete(id);
    return swept;
  }

  async #find(id: string): Promise<StoredRecord> {
    // Whatever else a client puts into the path was never the name of an upload.
    const stored = isUuid(id) ? await this.#records.get(id) : undefined;
    if (!stored || stored.record.expiresAt <= Date.now()) {
      throw new ServiceError("not_found", "There is no such upload.");
    }
    return stored;
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

  async #append(
    stored: StoredRecord,
    body: ReadableStream<Uint8Array>,
    checksum: ChunkChecksum | undefined,
  ): Promise<number> {
    const { record } = stored;
    const hash = this.#digestAt(record);
    let current = stored;
    const keep = async (state: ResumableState) => {
      current = await this.#records.replace(current, { ...current.record, state });
      if (hash) this.#rememberDigest(record.id, { offset: state.offset, hash: hash.copy() });
    };
    const digest = { update: (bytes: Uint8Array) => void hash?.update(bytes) };
    const { resumable } = this.#service.options.store;
    if (!checksum) {
      return (await resumable.append(record.objectKey, record.state, body, { digest, checkpoint: keep }))
        .offset;
    }
    // Nothing counts before the whole of it is known to be right: the record stays where it is until then.
    const { stream, matches } = checked(body, checksum);
    const state = await resumable.append(record.objectKey, record.state, stream, {
      digest,
      checkpoint: async () => {},
    });
    if (!matches()) {
      throw new ServiceError("checksum_mismatch", "The bytes do not have the checksum of Upload-Checksum.");
    }
    await keep(state);
    return state.offset;
  }

  async #complete(stored: StoredRecord): Promise<{ uri: string; id: string }> {
    const { record } = stored;
    const { id, objectKey, sizeBytes } = record;
    const { store } = this.#service.options;
    await store.resumable.finish(objectKey, record.state);
    const sha256 = this.#digestAt(record)?.digest("hex") ?? await readDigest(await store.get(objectKey));
    const file = { ...fileOf(record.metadata), id, objectKey, sizeBytes, sha256 };
    const document = storedDraft(this.#service, readMetadata(record.metadata), file);
    await this.#service.checkFree(document);
    const asset = { uri: document.asset_uri, id: document.asset_id };
    await this.#service.assets.insert(id, document, this.#records.replacement(stored, { ...record, asset }));
    this.#digests.delete(id);
    this.#open.delete(id);
    return asset;
  }

  async #discard(stored: StoredRecord): Promise<void> {
    const { id, objectKey, state, asset } = stored.record;
    const { store } = this.#service.options;
    if (!asset) {
      await store.resumable.discard(objectKey, state);
      await store.delete(objectKey);
    }
    this.#digests.delete(id);
    await this.#records.remove(stored);
    this.#open.delete(id);
  }

  /** A digest of what the upload has so far, if this process has seen all of it. */
  #digestAt({ id, state: { offset } }: UploadRecord): Hash | undefined {
    if (offset === 0) return createHash("sha256");
    const running = this.#digests.get(id);
    return running?.offset === offset ? running.hash.copy() : undefined;
  }

  #rememberDigest(id: string, digest: RunningDigest): void {
    this.#digests.delete(id);
    this.#digests.set(id, digest);
    const [oldest] = this.#digests.keys();
    if (oldest !== undefined && this.#digests.size > MAX_RUNNING_DIGESTS) this.#digests.delete(oldest);
  }
}

function readMetadata(metadata: Record<string, string | null>): UploadMetadata {
  const json = metadata.asset_metadata;
  if (!json) {
    throw badMetadata("asset_metadata", "is missing in Upload-Metadata; it is the JSON of the asset");
  }
  const parsed = validate(
    uploadMetadata,
    parseJson(new TextEncoder().encode(json), "asset_metadata in Upload-Metadata"),
  );
  if (!metadata.filename && !parsed.asset_file_info?.file_name) {
    throw badMetadata("filename", "is missing in Upload-Metadata; it is the name of the file");
  }
  return parsed;
}

function tooManyOpen(maxOpen: number): ServiceError {
  return new ServiceError(
    "too_many_requests",
    `${maxOpen} uploads are open, and this server keeps no more: finish or delete some.`,
    { headers: { "Retry-After": "60" } },
  );
}

function badMetadata(path: string, message: string): ServiceError {
  return new ServiceError("invalid_request", `${path} ${message}.`, { details: [{ path, message }] });
}

function fileOf(metadata: Record<string, string | null>): FileDescription {
  return validate(fileDescription, {
    fileName: metadata.filename ?? "",
    fileType: metadata.filetype ?? undefined,
  });
}

/** The stream, and whether it had the checksum once it has ended. One that breaks off is not it. */
function checked(body: ReadableStream<Uint8Array>, { algorithm, expected }: ChunkChecksum) {
  const hash = createHash(algorithm);
  let hasEnded = false;
  const stream = body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        hash.update(chunk);
        controller.enqueue(chunk);
      },
      flush() {
        hasEnded = true;
      },
    }),
  );
  return { stream, matches: () => hasEnded && hash.digest("base64") === expected };
}

async function readDigest(stream: ReadableStream<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest("hex");
}
