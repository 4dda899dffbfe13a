/**
 * The use case of `POST /upload_asset`: bytes into the object store, then one commit that makes the asset.
 *
 * The stream that the store reads ends only when everything else is known to be good: the rest of the form, the checksum, the
 * URI. Whatever is not makes the stream fail, and a store keeps nothing of a stream that failed.
 */
import { createHash } from "node:crypto";
import { getLogger } from "@logtape/logtape";
import { v7 as uuidV7 } from "uuid";
import { type Once, runOnce, together } from "../collection/idempotency.ts";
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
  fileType: string | undefined;
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
  once?: Once,
): Promise<JsonObject> {
  return await runOnce(service.options.kv, once, async (record) => {
    if (upload.known) await service.checkFree(draftOf(service, upload.known));
    const id = uuidV7();
    const entry = await service.journal.begin(id, `asset/${id}`);
    try {
      const document = await storeFile(service, upload, limits, { id, objectKey: entry.objectKey });
      const { assets } = service;
      const outcome = { id, asset: assets.render(document) };
      await assets.insert(id, document, together(record(outcome), await entry.settle()));
      return outcome;
    } catch (error) {
      await cleanUp(service, entry);
      throw error;
    }
  });
}

async function storeFile(
  service: AssetService,
  upload: Upload,
  { maxUploadBytes = Infinity }: UploadLimits,
  { id, objectKey }: { id: string; objectKey: string },
): Promise<StoredAsset> {
  const digest = createHash("sha256");
  let sizeBytes = 0;
  let document: StoredAsset | undefined;
  const finish = async () => {
    const facts = { file_size: sizeBytes, sha256: digest.digest("hex") };
    const metadata = await upload.finish();
    checkStated(metadata, facts);
    document = draftOf(service, metadata, { upload, facts, id, objectKey });
    await service.checkFree(document);
  };
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const chunk = await upload.nextChunk();
      if (chunk === undefined) {
        await finish();
        controller.close();
        return;
      }
      sizeBytes += chunk.length;
      if (sizeBytes > maxUploadBytes) throw tooLarge(maxUploadBytes);
      digest.update(chunk);
      controller.enqueue(chunk);
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

function draftOf(
  service: AssetService,
  metadata: UploadMetadata,
  stored?: { upload: Upload; facts: { file_size: number; sha256: string }; id: string; objectKey: string },
): StoredAsset {
  if (!stored) {
    return service.draft(metadata, { assetId: metadata.asset_id ?? "", url: "", fileInfo: {}, object: null });
  }
  const { upload, facts, id, objectKey } = stored;
  const { file_name, ...others } = asJsonObject(metadata.asset_file_info);
  return service.draft(metadata, {
    assetId: metadata.asset_id || id,
    url: "",
    fileInfo: {
      file_name: file_name || upload.fileName,
      ...others,
      file_type: fileTypeOf(upload, metadata),
      ...facts,
    },
    object: { key: objectKey, stored_at: new Date().toISOString() },
  });
}

function fileTypeOf(upload: Upload, metadata: UploadMetadata | undefined): string {
  return metadata?.asset_file_info?.file_type || upload.fileType || DEFAULT_FILE_TYPE;
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
async function cleanUp(service: AssetService, entry: JournalEntry): Promise<void> {
  try {
    await entry.undo(service.options.store);
  } catch (error) {
    log.warn("What is left of the upload {objectKey} is to be removed, later: {error}", {
      objectKey: entry.objectKey,
      error,
    });
  }
}
