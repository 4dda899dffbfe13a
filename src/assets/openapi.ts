/** The description of an Assets DB's API. */
import type { JsonObject } from "../collection/json.ts";
import {
  describeApi,
  emptyAnswer,
  headerParameter,
  JSON_BODY_ERRORS,
  jsonAnswer,
  jsonBody,
  type Operation,
  pathParameter,
  queryParameters,
} from "../http/openapi.ts";
import { schemaRef } from "../http/openapi_schema.ts";
import {
  idempotencyKey,
  queryOperation,
  SHARED_TAGS,
  sharedOperations,
  textAnswer,
} from "../http/openapi_shared.ts";
import { query } from "../http/query_answer.ts";
import { ASSET_EXAMPLE, ASSET_EXAMPLE_ID, ASSET_EXAMPLE_URI } from "./openapi_example.ts";
import { schemas } from "./openapi_schemas.ts";
import { tusOperations } from "./openapi_tus.ts";

const TAG = { assets: "Assets", search: "Search", files: "Files" };

const uri = pathParameter(
  "uri",
  "The asset's URI, percent-encoded or raw, slashes included; or the `id` that its creation returned.",
  ASSET_EXAMPLE_URI,
);
const ifMatch = headerParameter("If-Match", "The `ETag` that the asset must still have.");
const ifNoneMatch = headerParameter("If-None-Match", "The `ETag` that is known already.");

const operations: Operation[] = [
  {
    method: "post",
    path: "/upload_asset",
    id: "uploadAsset",
    tag: TAG.assets,
    access: "write",
    summary: "Upload a file with its metadata",
    description: "Two parts, in either order. Whatever fails, nothing is left behind.",
    parameters: [idempotencyKey],
    body: uploadForm(),
    answers: {
      201: jsonAnswer("It is stored.", "UploadAnswer", {
        success: true,
        asset_uri: ASSET_EXAMPLE_URI,
        asset_id: ASSET_EXAMPLE_ID,
        public_url: ASSET_EXAMPLE.asset_public_url ?? "",
        data: ASSET_EXAMPLE,
      }),
    },
    errors: [
      "invalid_json",
      "checksum_mismatch",
      "already_exists",
      "too_large",
      "unsupported_media_type",
      "storage_error",
      "timeout",
      "out_of_space",
    ],
  },
  {
    method: "post",
    path: "/asset",
    id: "createAsset",
    tag: TAG.assets,
    access: "write",
    summary: "List an asset whose file lives elsewhere, or that has none",
    parameters: [idempotencyKey],
    body: jsonBody("NewAsset", {
      "A file elsewhere": {
        asset_name: "remote-model",
        asset_version: { version: "3", tag: "stable" },
        asset_public_url: "https://example.com/model.bin",
      },
      "No file": { asset_name: "idea", asset_tags: ["draft"] },
    }),
    answers: {
      201: jsonAnswer("It is listed.", "CreateAnswer", {
        success: true,
        data: {
          message: "Asset created",
          id: ASSET_EXAMPLE_ID,
          asset_uri: ASSET_EXAMPLE_URI,
          asset: ASSET_EXAMPLE,
        },
      }),
    },
    errors: [...JSON_BODY_ERRORS, "already_exists"],
  },
  {
    method: "post",
    path: "/assets/bulk",
    id: "createAssets",
    tag: TAG.assets,
    access: "write",
    summary: "List many assets, streamed both ways",
    description:
      "A body of `POST /asset` a line; each is answered by a line. A bad line does not stop the others. With an " +
      "`Idempotency-Key`, a line of the same number and content is done once.",
    parameters: [idempotencyKey],
    body: {
      required: true,
      content: {
        "application/x-ndjson": {
          schema: { type: "string" },
          example: '{"asset_name":"a","asset_version":{"version":"1","tag":"x"}}\n{"asset_name":""}\n',
        },
      },
    },
    answers: {
      200: textAnswer(
        "A line for each, in their order.",
        "application/x-ndjson",
        `{"line":1,"success":true,"id":"${ASSET_EXAMPLE_ID}","asset_uri":"a:1-x"}\n` +
          '{"line":2,"success":false,"code":"invalid_request","error":"asset_name must not be empty."}\n',
      ),
    },
    errors: ["unsupported_media_type"],
  },
  {
    method: "get",
    path: "/asset/{uri}",
    id: "getAsset",
    tag: TAG.assets,
    access: "read",
    summary: "An asset's metadata",
    parameters: [uri, ifNoneMatch, ifMatch],
    answers: {
      200: jsonAnswer("The asset.", "AssetAnswer", { success: true, data: ASSET_EXAMPLE }, {
        ETag: "Changes with every change.",
      }),
      304: emptyAnswer("It is what the client has.", { ETag: "The one it has." }),
    },
    errors: ["not_found", "precondition_failed"],
  },
  {
    method: "put",
    path: "/asset/{uri}",
    id: "updateAsset",
    tag: TAG.assets,
    access: "write",
    summary: "Change an asset's metadata",
    parameters: [uri, ifMatch, idempotencyKey],
    body: jsonBody("AssetChanges", {
      "Replace the tags, set one leaf": {
        "asset_metadata.quality.score": 0.95,
        asset_tags: ["text", "checked"],
      },
      "Another version": { asset_version: { version: "1.1", tag: "final" } },
    }),
    answers: {
      200: jsonAnswer("It is changed.", "UpdateAnswer", {
        success: true,
        data: { message: "Asset updated", asset: ASSET_EXAMPLE },
      }),
    },
    errors: [...JSON_BODY_ERRORS, "not_found", "already_exists", "not_owner", "precondition_failed"],
  },
  {
    method: "delete",
    path: "/asset/{uri}",
    id: "deleteAsset",
    tag: TAG.assets,
    access: "write",
    summary: "Delete an asset and its file",
    parameters: [uri, ifMatch, idempotencyKey],
    answers: {
      200: jsonAnswer("Both are gone.", "Done", { success: true, data: { message: "Asset deleted" } }),
    },
    errors: ["not_found", "not_owner", "precondition_failed", "storage_error"],
  },
  queryOperation({
    path: "/assets",
    id: "findAssets",
    tag: TAG.search,
    summary: "Find assets by a MongoDB filter",
    parameters: [...queryParameters(query), ndjson()],
    examples: {
      "Everything": {},
      "A tag and a range": { asset_tags: "demo", "asset_metadata.quality.score": { $gte: 0.5 } },
      "A name that begins with llama": { asset_name: { $regex: "^llama", $options: "i" } },
    },
    answer: {
      schema: "AssetsAnswer",
      example: { success: true, data: [ASSET_EXAMPLE], next_cursor: null },
      line: ASSET_EXAMPLE,
    },
  }),
  {
    method: "get",
    path: "/asset-object/{asset_id}",
    id: "download",
    tag: TAG.files,
    access: "read",
    summary: "Download a file, whole or a range of it",
    parameters: [
      pathParameter(
        "asset_id",
        "The asset's `asset_id`, or the `id` that its creation returned.",
        ASSET_EXAMPLE_ID,
      ),
      headerParameter("Range", "One range of bytes.", "bytes=0-1023"),
      headerParameter(
        "If-Range",
        "The `ETag` or the date that the file must still have for the range to hold.",
      ),
      ifNoneMatch,
      headerParameter("If-Modified-Since", "The date of what is known already."),
      headerParameter("If-Match", "The `ETag` that the file must have."),
      headerParameter("If-Unmodified-Since", "The date since which the file must not have changed."),
    ],
    answers: {
      200: file("The file."),
      206: file("The range.", { "Content-Range": "Which bytes they are." }),
      304: emptyAnswer("It is what the client has."),
      307: emptyAnswer("It lives elsewhere, or is fetched from the object store.", { Location: "Where." }),
    },
    errors: ["not_found", "precondition_failed", "range_not_satisfiable", "storage_error"],
  },
];

function ndjson(): JsonObject {
  return headerParameter("Accept", "`application/x-ndjson` sends one document a line.");
}

function uploadForm(): JsonObject {
  return {
    required: true,
    content: {
      "multipart/form-data": {
        schema: {
          type: "object",
          required: ["asset", "asset_metadata"],
          properties: {
            asset: { type: "string", format: "binary", description: "The file, with a file name." },
            asset_metadata: schemaRef("UploadMetadata"),
          },
        },
        encoding: { asset_metadata: { contentType: "application/json, text/plain" } },
        example: {
          asset: "hello\n",
          asset_metadata: {
            asset_name: "greeting",
            asset_version: { version: "1.0", tag: "initial" },
            asset_tags: ["text", "demo"],
          },
        },
      },
    },
  };
}

function file(description: string, more: Record<string, string> = {}): JsonObject {
  return {
    ...emptyAnswer(description, {
      "Content-Disposition": "`attachment` with the file's name (RFC 6266).",
      ETag: "The SHA-256 in hexadecimal.",
      "Repr-Digest": "The SHA-256 in Base64 (RFC 9530).",
      "Last-Modified": "When it was stored.",
      "Accept-Ranges": "`bytes`",
      ...more,
    }),
    content: { "*/*": { schema: {} } },
  };
}

/** The document of the mode `assets-db`. */
export function describeAssetsDb(version: string): JsonObject {
  return describeApi({
    title: "Assets DB",
    description: "Stores asset files and finds them again by their metadata.",
    version,
    tags: {
      [TAG.assets]: "A file and what is known of it.",
      [TAG.search]: "Filters as in MongoDB.",
      [TAG.files]: "The bytes.",
      Uploads:
        "Resumable uploads: tus 1.0.0 with creation, creation-with-upload, termination, expiration, checksum.",
      ...SHARED_TAGS,
    },
    schemas,
    operations: [
      ...operations,
      ...tusOperations,
      ...sharedOperations({
        mode: "assets-db",
        version,
        assets_db_id: "0198c0de-0000-7000-8000-000000000001",
      }),
    ],
  });
}
