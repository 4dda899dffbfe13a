/** The REST API of an Assets DB: HTTP on one side, the use cases on the other. */
import * as contentDisposition from "content-disposition";
import type { Context } from "hono";
import { asJsonObject } from "../collection/json.ts";
import { ServiceError } from "../errors.ts";
import { type App, type AppEnv, createApp, pathRest, route } from "../http/app.ts";
import { evaluateIfRange, evaluateRead } from "../http/conditional.ts";
import { precondition, readChanges, sendDocument } from "../http/document.ts";
import { success } from "../http/envelope.ts";
import { operationRoutes, type OperationRoutesOptions } from "../http/operation_routes.ts";
import { onceOf } from "../http/idempotency_key.ts";
import { readJsonBody } from "../http/json_body.ts";
import { answerQuery } from "../http/query_answer.ts";
import { contentRange, parseRange } from "../http/ranges.ts";
import { traced } from "../observe/observed.ts";
import { validate } from "../validation.ts";
import { createAssets } from "./bulk_route.ts";
import { webRoutes, type WebRoutesOptions } from "../web/routes.ts";
import { createBody } from "./schema.ts";
import type { ResumableUploads } from "./tus/resumable_uploads.ts";
import { tusRoutes, type TusRoutesOptions } from "./tus/routes.ts";
import type { AssetService, FileLocation, FoundAsset } from "./service.ts";
import { receiveUpload, type UploadOptions } from "./upload_form.ts";

/** What the routes need beside the use cases. */
export interface AssetRoutesOptions
  extends UploadOptions, OperationRoutesOptions, WebRoutesOptions, Pick<TusRoutesOptions, "uploadLeases"> {
  queryTimeoutMs: number;
  /** If set, downloads are redirected to the URL that this makes, signed for a while. */
  presignDownload?: (
    objectKey: string,
    answer: { contentType: string; contentDisposition: string },
  ) => Promise<URL>;
}

/** The application of the mode `assets-db`. */
export function assetRoutes(
  service: AssetService,
  uploads: ResumableUploads,
  options: AssetRoutesOptions,
): App {
  const app = createApp();
  const { tokens } = options;
  tusRoutes(app, uploads, options);
  operationRoutes(app, options);
  webRoutes(app, options);
  route(app, tokens, "/upload_asset", {
    POST: { access: "write", handle: (context) => receiveUpload(context, service, options) },
  });
  route(app, tokens, "/asset", {
    POST: { access: "write", handle: (context) => createAsset(context, service) },
  });
  route(app, tokens, "/assets", {
    POST: {
      access: "read",
      handle: (context) =>
        traced("query", () => answerQuery(context, service.assets, options.queryTimeoutMs)),
    },
  });
  route(app, tokens, "/assets/bulk", {
    POST: { access: "write", handle: (context) => createAssets(context, service, options) },
  });
  route(app, tokens, "/asset/:uri{.+}", {
    GET: { access: "read", handle: (context) => getAsset(context, service) },
    PUT: { access: "write", handle: (context) => updateAsset(context, service) },
    DELETE: { access: "write", handle: (context) => deleteAsset(context, service) },
  });
  route(app, tokens, "/asset-object/:id{.+}", {
    GET: { access: "read", handle: (context) => sendFile(context, service, options) },
  });
  return app;
}

async function createAsset(context: Context<AppEnv>, service: AssetService): Promise<Response> {
  const body = await readJsonBody(context);
  const { id, asset } = await service.create(validate(createBody, body), onceOf(context, body));
  const { asset_uri = "" } = asJsonObject(asset);
  return success(context, { message: "Asset created", id, asset_uri, asset }, 201);
}

function getAsset(context: Context<AppEnv>, service: AssetService): Response | Promise<Response> {
  const send = ({ text, etag }: FoundAsset) => sendDocument(context, text, etag);
  const found = service.get(assetReference(context));
  return found instanceof Promise ? found.then(send) : send(found);
}

async function updateAsset(context: Context<AppEnv>, service: AssetService): Promise<Response> {
  const body = await readChanges(context);
  const once = onceOf(context, body);
  const { asset } = await service.update(assetReference(context), body, precondition(context), once);
  return success(context, { message: "Asset updated", asset });
}

async function deleteAsset(context: Context<AppEnv>, service: AssetService): Promise<Response> {
  await service.remove(assetReference(context), precondition(context), onceOf(context, null));
  return success(context, { message: "Asset deleted" });
}

function assetReference(context: Context<AppEnv>): string {
  return pathRest(context, "/asset/");
}

/** `GET` and `HEAD` of a file: RFC 9110 §13 (conditional requests) and §14 (ranges). */
async function sendFile(
  context: Context<AppEnv>,
  service: AssetService,
  { presignDownload }: AssetRoutesOptions,
): Promise<Response> {
  const location = await service.locate(pathRest(context, "/asset-object/"));
  if (location.kind === "elsewhere") {
    return context.body(null, 307, { Location: new URL(location.url).href });
  }
  const { headers, sizeBytes, validators } = describe(location);
  const requested = context.req.raw.headers;
  if (evaluateRead(requested, validators) === "not_modified") {
    headers.delete("Content-Type");
    return context.newResponse(null, { status: 304, headers });
  }
  if (presignDownload && context.req.method === "GET") {
    const url = await presignDownload(location.objectKey, {
      contentType: headers.get("Content-Type") ?? "",
      contentDisposition: headers.get("Content-Disposition") ?? "",
    });
    return context.body(null, 307, { Location: url.href, "Cache-Control": "no-store" });
  }
  // A Range header has a meaning for GET alone (RFC 9110 §14.2).
  const isRanged = context.req.method === "GET" && evaluateIfRange(requested, validators);
  const range = isRanged ? parseRange(requested.get("Range"), sizeBytes) : undefined;
  if (range === "unsatisfiable") throw unsatisfiable(sizeBytes);
  headers.set("Content-Length", String(range ? range.end - range.start + 1 : sizeBytes));
  if (range) headers.set("Content-Range", contentRange(range, sizeBytes));
  const status = range ? 206 : 200;
  if (context.req.method === "HEAD") return context.newResponse(null, { status, headers });
  const signal = context.req.raw.signal;
  context.env.signal = signal;
  const body = await service.options.store.get(location.objectKey, { range, signal });
  return context.newResponse(body, { status, headers });
}

function describe({ asset, storedAt }: FileLocation & { kind: "here" }) {
  const { file_name, file_type, file_size, sha256 } = asset.asset_file_info;
  const digest = String(sha256);
  const headers = new Headers({
    "Accept-Ranges": "bytes",
    "Content-Disposition": contentDisposition.create(String(file_name ?? asset.asset_id)),
    "Content-Type": mediaType(file_type),
    "ETag": `"${digest}"`,
    "Last-Modified": storedAt.toUTCString(),
    "Repr-Digest": `sha-256=:${Uint8Array.fromHex(digest).toBase64()}:`,
  });
  return {
    headers,
    sizeBytes: Number(file_size),
    validators: { etag: `"${digest}"`, lastModified: storedAt },
  };
}

/** A type is the user's text; in a header only a media type of printable ASCII may stand (RFC 9110 §8.3.1). */
function mediaType(fileType: unknown): string {
  return typeof fileType === "string" && /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+[ -~]*$/.test(fileType)
    ? fileType
    : "application/octet-stream";
}

function unsatisfiable(sizeBytes: number): ServiceError {
  return new ServiceError(
    "range_not_satisfiable",
    `The file has ${sizeBytes} bytes; the range begins behind its end.`,
    {
      headers: { "Content-Range": `bytes */${sizeBytes}` },
    },
  );
}
