/** What `Upload-Metadata` says of a file that is to become an asset. */
import { ServiceError } from "../../errors.ts";
import { parseJson } from "../../http/json_body.ts";
import { validate } from "../../validation.ts";
import { type FileDescription, fileDescription, type UploadMetadata, uploadMetadata } from "../schema.ts";

/** `Upload-Metadata`, decoded. */
export type TusMetadata = Record<string, string | null>;

/**
 * The metadata of the asset: the JSON of `/upload_asset`.
 *
 * @throws {ServiceError} `invalid_request`, `invalid_json`
 */
export function readMetadata(metadata: TusMetadata): UploadMetadata {
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

/**
 * The name and the type of the file, as the client has them beside the asset's metadata.
 *
 * @throws {ServiceError} `invalid_request`
 */
export function fileOf(metadata: TusMetadata): FileDescription {
  return validate(fileDescription, {
    fileName: metadata.filename ?? "",
    fileType: metadata.filetype ?? undefined,
  });
}

function badMetadata(path: string, message: string): ServiceError {
  return new ServiceError("invalid_request", `${path} ${message}.`, { details: [{ path, message }] });
}
