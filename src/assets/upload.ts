/**
 * The use case of `POST /upload_asset`: bytes into the object store, then one commit that makes the asset.
 *
 * The stream that the store reads ends only when everything else is known to be good: the rest of the form, the checksum, the
 * URI. Whatever is not makes the stream fail, and a store keeps nothing of a stream that failed.
 */
import { createHash } from "node:crypto";
import { getLogger } from "@logtape/logtape";
import { v7 as uuidV7 } from "uuid";
import { runOnce, together } from "../collection/idempotency.ts";
import { asJsonObject, type JsonObject } from "../collection/json.ts";
import { ServiceError } from "../errors.ts";
import type { JournalEntry } from "./journal.ts";
import type { StoredAsset, UploadMetadata } from "./schema.ts";
import type { AssetService } from "./service.ts";

const log = getLogger(["assets-server", "assets"]);

/** What an upload says of its file when the client left the type out (RFC 2046 §4.5.1). */
const DEFAULT_FILE_TYPE = "application/octet-stream";

/** A file on its way in. */
export interface Upload {
  fileName: string;
  fileType?: string;
  /** The next bytes of the file, `undefined` at its end. */
  nextChunk: () => Promise<Uint8Array | undefined>;
  /** The metadata, if they came before the file. */
  known: UploadMetadata | undefined;
  /** Reads what comes after the file; to be called at its end. The metadata, wherever they were. */
  finish: () => Promise<UploadMetadata>;
  signal?: AbortSignal;
}

/** The most bytes that a file may have; without it there is no limit. */
export interface UploadLimits {
  maxUploadBytes?: number;
}

/** What an upload has brought, once it has ended. */
export interface UploadContent {
  metadata: UploadMetadata;
  fileName: string;
  fileType?: string;
  sizeBytes: number;
  /** In hexadecimal digits. */
  sha256: string;
}

/** An upload that is to take effect once. */
export interface OnceUpload {
  key: string;
  fingerprintOf: (content: UploadContent) => string;
}

/**
 * Stores a file and makes its asset. Whatever fails, nothing of it is left.
 *
 * @returns `{id, asset}`
 * @throws {ServiceError} `already_exists`, `too_large`, `checksum_mismatch`, `invalid_request`, and what the store throws
 */
export async function uploadAsset(
  service: AssetService,
  upload: Upload,
  limits: UploadLimits,
  once?: OnceUpload,
): Promise<JsonObject> {
  const incoming = new IncomingFile(upload, limits);
  // A repeated upload is read to its end without being stored: only then is it known to be the same.
  const fingerprint = async () => once ? once.fingerprintOf(incoming.content ?? await incoming.drain()) : "";
  return await runOnce(service.options.kv, once && { key: once.key, fingerprint }, async (record) => {
    if (upload.known) await service.checkFree(plannedDraft(service, upload.known));
    const id = uuidV7();
    const entry = await service.journal.begin(id, `asset/${id}`);
    let isWhole = false;
    try {
      const document = await storeFile(service, upload, incoming, { id, objectKey: entry.objectKey });
      isWhole = true;
      const { assets } = service;
      const outcome = { id, asset: assets.render(document) };
      await assets.insert(id, document, together(await record(outcome), await entry.settle()));
      return outcome;
    } catch (error) {
      await cleanUp(service, entry, isWhole);
      throw error;
    }
  });
}

/** The bytes of an upload, counted and hashed on their way. */
class IncomingFile {
  /** Known once everything has been read. */
  content: UploadContent | undefined;
  readonly #upload: Upload;
  readonly #maxUploadBytes: number;
  readonly #digest = createHash("sha256");
  #sizeBytes = 0;

  constructor(upload: Upload, { maxUploadBytes = Infinity }: UploadLimits) {
    this.#upload = upload;
    this.#maxUploadBytes = maxUploadBytes;
  }

  /** The next bytes; at their end `undefined`, with the content known. */
  async next(): Promise<Uint8Array | undefined> {
    const chunk = await this.#upload.nextChunk();
    if (chunk === undefined) {
      const { fileName, fileType } = this.#upload;
      const metadata = await this.#upload.finish();
      const sha256 = this.#digest.digest("hex");
      this.content = { metadata, fileName, fileType, sizeBytes: this.#sizeBytes, sha256 };
      return undefined;
    }
    this.#sizeBytes += chunk.length;
    if (this.#sizeBytes > this.#maxUploadBytes) throw tooLarge(this.#maxUploadBytes);
    this.#digest.update(chunk);
    return chunk;
  }

  /** Reads what is left and gives what it was. */
  async drain(): Promise<UploadContent> {
    while (await this.next());
    if (!this.content) throw new Error("The upload ended without content");
    return this.content;
  }
}

async function storeFile(
  service: AssetService,
  upload: Upload,
  incoming: IncomingFile,
  { id, objectKey }: { id: string; objectKey: string },
): Promise<StoredAsset> {
  let document: StoredAsset | undefined;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const chunk = await incoming.next();
      if (chunk) return controller.enqueue(chunk);
      if (incoming.content) {
        document = storedDraft(service, incoming.content.metadata, { ...incoming.content, id, objectKey });
        await service.checkFree(document);
      }
      controller.close();
    },
  }, { highWaterMark: 0 });
  const contentType = fileTypeOf(upload, upload.known);
  await service.options.store.put(objectKey, body, { contentType, signal: upload.signal });
  if (!document) {
    throw new Error(`The store ${service.options.store.description} did not read the stream to its end`);
  }
  return document;
}

/** The error of a file that is larger than `--max-upload-size`. */
export function tooLarge(maxUploadBytes: number): ServiceError {
  return new ServiceError(
    "too_large",
    `The file is larger than ${maxUploadBytes} bytes, the limit of this server (--max-upload-size).`,
  );
}

/** An asset that an upload could make as far as its metadata tell, to see early whether its names are free. */
export function plannedDraft(service: AssetService, metadata: UploadMetadata): StoredAsset {
  return service.draft(metadata, { assetId: metadata.asset_id ?? "", url: "", fileInfo: {}, object: null });
}

/** A file that is in the object store, in the words of who uploaded it. */
export interface StoredFile {
  id: string;
  objectKey: string;
  fileName: string;
  fileType?: string;
  sizeBytes: number;
  /** In hexadecimal digits. */
  sha256: string;
}

/**
 * The asset of a stored file.
 *
 * @throws {ServiceError} `checksum_mismatch` or `invalid_request` if the metadata state another checksum or size
 */
export function storedDraft(service: AssetService, metadata: UploadMetadata, file: StoredFile): StoredAsset {
  const facts = { file_size: file.sizeBytes, sha256: file.sha256 };
  checkStated(metadata, facts);
  const { file_name, ...others } = asJsonObject(metadata.asset_file_info);
  return service.draft(metadata, {
    assetId: metadata.asset_id || file.id,
    url: "",
    fileInfo: {
      file_name: file_name || file.fileName,
      ...others,
      file_type: fileTypeOf(file, metadata),
      ...facts,
    },
    object: { key: file.objectKey, stored_at: new Date().toISOString() },
  });
}

/** The media type of a file: what the metadata say, else what came with the file. */
export function fileTypeOf(
  file: { fileType?: string },
  metadata: UploadMetadata | undefined,
): string {
  return metadata?.asset_file_info?.file_type || file.fileType || DEFAULT_FILE_TYPE;
}

function checkStated(
  { asset_file_info: stated }: UploadMetadata,
  facts: { file_size: number; sha256: string },
): void {
  if (stated?.sha256 && stated.sha256.toLowerCase() !== facts.sha256) {
    const message = `is ${stated.sha256}, but the file that arrived has ${facts.sha256}`;
    throw new ServiceError("checksum_mismatch", `asset_file_info.sha256 ${message}.`, {
      details: [{ path: "asset_file_info.sha256", message }],
    });
  }
  if (stated?.file_size !== undefined && stated.file_size !== facts.file_size) {
    const message = `is ${stated.file_size}, but ${facts.file_size} bytes arrived`;
    throw new ServiceError("invalid_request", `asset_file_info.file_size ${message}.`, {
      details: [{ path: "asset_file_info.file_size", message }],
    });
  }
}

/** What cannot be removed now is left to the sweeper, which finds it through the journal. */
async function cleanUp(service: AssetService, entry: JournalEntry, isWhole: boolean): Promise<void> {
  try {
    await entry.undo(service.options.store, { isWhole });
  } catch (error) {
    log.warn("What is left of the upload {objectKey} is to be removed, later: {error}", {
      objectKey: entry.objectKey,
      error,
    });
  }
}
