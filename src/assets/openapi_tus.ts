/** The description of resumable uploads. */
import type { ErrorCode } from "../errors.ts";
import type { JsonObject } from "../collection/json.ts";
import { emptyAnswer, headerParameter, type Operation, pathParameter } from "../http/openapi.ts";
import { idempotencyKey } from "../http/openapi_shared.ts";
import { ASSET_EXAMPLE_URI } from "./openapi_example.ts";

const tag = "Uploads";

/** As tus 1.0.0 has it, "Checksum". */
const errorStatuses = { checksum_mismatch: 460 };

const resumable = headerParameter("Tus-Resumable", "The version of the protocol.", "1.0.0");
const checksum = headerParameter(
  "Upload-Checksum",
  "The digest of this body: `sha1`, `sha256` or `md5`, a space, Base64.",
  "sha256 WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=",
);
const override = headerParameter("X-HTTP-Method-Override", "Makes a POST a PATCH, DELETE or HEAD.");
const id = pathParameter("id", "The upload, as `Location` named it.", "0198c0de4d2a7c1b9e552f6b8a1c3d77");

/** Headers of an answer that tells of an upload. */
const progress = {
  "Tus-Resumable": "`1.0.0`",
  "Upload-Offset": "How many bytes are there.",
  "Upload-Expires": "Until when it can go on.",
  "Asset-Uri": "Once it is complete: the asset's URI, percent-encoded.",
  "Asset-Id": "Once it is complete: the asset's id.",
};

const WRITE_ERRORS: readonly ErrorCode[] = [
  "checksum_mismatch",
  "already_exists",
  "offset_mismatch",
  "precondition_failed",
  "too_large",
  "unsupported_media_type",
  "locked",
  "storage_error",
  "timeout",
  "out_of_space",
];

function chunk(required: boolean): JsonObject {
  return {
    required,
    content: {
      "application/offset+octet-stream": { schema: { type: "string", format: "binary" }, example: "hello\n" },
    },
  };
}

/** What the methods on an upload know beside what each writes. */
const UPLOAD_ERRORS: readonly ErrorCode[] = ["not_found", "invalid_json", ...WRITE_ERRORS];

/** The operations below `/uploads/`. */
export const tusOperations: Operation[] = [
  {
    method: "post",
    path: "/uploads/",
    id: "beginUpload",
    tag,
    access: "write",
    summary: "Begin an upload",
    description:
      "`Upload-Metadata` holds `filename`, `filetype` and `asset_metadata`, the JSON of `/upload_asset`.",
    parameters: [
      resumable,
      headerParameter("Upload-Length", "The file's size in bytes.", "6"),
      headerParameter("Upload-Defer-Length", "`1` if the size is not known yet.", "1"),
      headerParameter(
        "Upload-Metadata",
        "Keys and Base64 values, separated by commas.",
        `filename aGVsbG8udHh0,asset_metadata ${btoa(JSON.stringify({ asset_name: ASSET_EXAMPLE_URI }))}`,
      ),
      checksum,
      idempotencyKey,
    ],
    body: chunk(false),
    answers: {
      201: emptyAnswer("It has begun; an empty file is an asset already.", {
        Location: "The upload, relative to the server.",
        ...progress,
      }),
    },
    errors: ["invalid_json", "not_found", ...WRITE_ERRORS],
    errorStatuses,
  },
  {
    method: "head",
    path: "/uploads/{id}",
    id: "uploadProgress",
    tag,
    access: "read",
    summary: "How far an upload is",
    parameters: [id, resumable],
    answers: { 200: emptyAnswer("So far.", { "Upload-Length": "The file's size.", ...progress }) },
    errors: ["not_found", "precondition_failed", "already_exists", "locked", "storage_error", "timeout"],
  },
  {
    method: "patch",
    path: "/uploads/{id}",
    id: "continueUpload",
    tag,
    access: "write",
    summary: "Send further bytes",
    parameters: [id, resumable, headerParameter("Upload-Offset", "Where they begin.", "0"), checksum],
    body: chunk(true),
    answers: { 204: emptyAnswer("They are stored; the last ones make the asset.", progress) },
    errors: UPLOAD_ERRORS,
    errorStatuses,
  },
  {
    method: "post",
    path: "/uploads/{id}",
    id: "overrideUpload",
    tag,
    access: "write",
    summary: "Any of these methods, where only POST passes",
    parameters: [id, override, resumable, idempotencyKey],
    body: chunk(false),
    answers: {
      200: emptyAnswer("As HEAD.", { "Upload-Length": "The file's size.", ...progress }),
      204: emptyAnswer("As PATCH or DELETE.", progress),
    },
    errors: UPLOAD_ERRORS,
    errorStatuses,
  },
  {
    method: "delete",
    path: "/uploads/{id}",
    id: "abandonUpload",
    tag,
    access: "write",
    summary: "Give an upload up",
    parameters: [id, resumable, idempotencyKey],
    answers: { 204: emptyAnswer("Nothing is left of it.", { "Tus-Resumable": "`1.0.0`" }) },
    errors: ["not_found", "precondition_failed", "locked", "storage_error"],
  },
];
