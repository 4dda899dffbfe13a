/**
 * `/uploads/`: tus 1.0.0 with the extensions creation, creation-with-upload, termination, expiration and checksum.
 *
 * `@tus/server` speaks the protocol. Added here: the checksum extension, `X-HTTP-Method-Override`, our error envelope, and
 * the asset's name in the answers that tell of a finished upload.
 */
import { Server } from "@tus/server";
import type { Context } from "hono";
import type { Once } from "../../collection/idempotency.ts";
import { ServiceError } from "../../errors.ts";
import { type App, type AppEnv, pathRest } from "../../http/app.ts";
import { type AccessTokens, authorize } from "../../http/auth.ts";
import { failure, statusOf } from "../../http/envelope.ts";
import { countIn } from "../../http/exchange.ts";
import { type BodyReaderOptions, steadyStream } from "../../http/body_reader.ts";
import { IDEMPOTENCY_KEY, onceOf } from "../../http/idempotency_key.ts";
import type { ResumableUploads } from "./resumable_uploads.ts";
import type { ChunkChecksum } from "./upload_body.ts";
import type { UploadLeases } from "./upload_leases.ts";
import { type LockScope, UploadLocker } from "./upload_locker.ts";
import { uploadRequest, UploadStore } from "./upload_store.ts";

/** What the routes need beside the uploads. */
export interface TusRoutesOptions {
  tokens: AccessTokens;
  maxUploadBytes?: number;
  idleTimeoutMs: number;
  /** Where other nodes serve the same uploads. */
  uploadLeases?: UploadLeases;
}

const PATH = "/uploads";

const VERSION = "1.0.0";
const CHUNK_TYPE = "application/offset+octet-stream";
const METHODS = ["OPTIONS", "POST", "HEAD", "PATCH", "DELETE"];

/** The digests of `Upload-Checksum`; tus asks for SHA-1 at the least. */
const ALGORITHMS = ["sha1", "sha256", "md5"] as const;

/** The status of a body with a wrong checksum (tus 1.0.0, "Checksum"). */
const CHECKSUM_MISMATCH_STATUS = 460;

/** The codes of the protocol's own refusals, which carry no more than a status. */
const CODE_OF_STATUS: Record<number, ServiceError["code"]> = {
  403: "invalid_request",
  404: "not_found",
  409: "offset_mismatch",
  410: "not_found",
  412: "precondition_failed",
  413: "too_large",
  423: "locked",
  500: "internal",
};

/** Adds the routes of resumable uploads to an application. */
export function tusRoutes(app: App, uploads: ResumableUploads, options: TusRoutesOptions): void {
  /** Why requests were refused; the protocol's handlers say no more than a status. */
  const errors = new WeakMap<Request, unknown>();
  const locker = new UploadLocker({ leases: options.uploadLeases });
  const server = new Server({
    path: PATH,
    datastore: new UploadStore(uploads),
    locker: (request) => locker.of(scopeOf(request)),
    maxSize: options.maxUploadBytes ?? 0,
    relativeLocation: true,
    disableTerminationForFinishedUploads: true,
    namingFunction: async () => {
      const { once } = uploadRequest.getStore() ?? {};
      return once && await uploads.begunBy(once) || uploads.newId();
    },
    onUploadFinish: async (_request, upload) => ({
      headers: assetHeaders(await uploads.complete(upload.id)),
    }),
    onResponseError: (request, error) => {
      // They call it an abort when a body fails, and it is known already why it did.
      if (!errors.has(request)) errors.set(request, error);
      return undefined;
    },
  });
  const answer = async (context: Context<AppEnv>) => {
    context.env.route = context.req.path.length > `${PATH}/`.length ? `${PATH}/:id` : PATH;
    const request = overridden(context.req.raw);
    if (!METHODS.includes(request.method)) {
      throw new ServiceError(
        "method_not_allowed",
        `${request.method} is not allowed here; allowed: ${METHODS.join(", ")}.`,
        {
          headers: { Allow: METHODS.join(", ") },
        },
      );
    }
    authorize(context, options.tokens, accessOf(request.method));
    checkProtocol(request, context);
    const checksum = readChecksum(request);
    const once = onceOfUpload(context, request);
    const guarded = guard(request, {
      idleTimeoutMs: options.idleTimeoutMs,
      onBytes: countIn(context),
      onError: (error) => errors.set(guarded, error),
    });
    const response = await uploadRequest.run({ checksum, once }, () => server.handleWeb(guarded));
    // What nobody has read would hold the connection up: it was refused, or is no part of what the method does.
    if (guarded.body && !guarded.body.locked) await guarded.body.cancel().catch(() => {});
    if (response.status >= 400 && request.method === "DELETE" && once && await uploads.wasDone(once)) {
      return context.newResponse(null, 204, { "Tus-Resumable": VERSION });
    }
    if (response.status >= 400) {
      return await refusal(context, response, errors.get(guarded));
    }
    if (request.method === "OPTIONS") response.headers.set("Tus-Checksum-Algorithm", ALGORITHMS.join(","));
    if (request.method === "HEAD") await addAsset(context, uploads, response);
    return withoutCors(context, response);
  };
  // Not `{.*}`: Hono's fast router cannot do that, and would leave all paths to the slow one.
  app.all(PATH, answer);
  app.all(`${PATH}/`, answer);
  app.all(`${PATH}/:id{.+}`, answer);
}

/** A request as the method that its `X-HTTP-Method-Override` names. */
function overridden(request: Request): Request {
  const method = request.headers.get("X-HTTP-Method-Override")?.toUpperCase();
  if (method === undefined || method === request.method) return request;
  if (request.method !== "POST" || !["PATCH", "DELETE", "HEAD"].includes(method)) {
    throw new ServiceError(
      "invalid_request",
      "X-HTTP-Method-Override can make a POST a PATCH, DELETE or HEAD.",
    );
  }
  const body = method === "PATCH" ? request.body : null;
  return new Request(request.url, { method, headers: request.headers, body, signal: request.signal });
}

/** What the protocol's handlers are lenient or silent about. */
function checkProtocol(request: Request, context: Context<AppEnv>): void {
  const { method, headers } = request;
  const version = headers.get("Tus-Resumable");
  if (method !== "OPTIONS" && version !== null && version !== VERSION) {
    throw new ServiceError("precondition_failed", `This server speaks tus ${VERSION}, not ${version}.`, {
      headers: { "Tus-Version": VERSION },
    });
  }
  if (method === "POST" && pathRest(context, PATH).replace("/", "") !== "") {
    throw new ServiceError("route_not_found", `An upload begins with a POST to ${PATH}/.`);
  }
  const type = headers.get("Content-Type");
  if (method === "PATCH" && type !== CHUNK_TYPE) {
    throw new ServiceError(
      "unsupported_media_type",
      `The body of a PATCH must be ${CHUNK_TYPE}, not ${type ?? "untyped"}.`,
    );
  }
}

function accessOf(method: string): "open" | "read" | "write" {
  if (method === "OPTIONS") return "open";
  return method === "HEAD" || method === "GET" ? "read" : "write";
}

/** Drops a body that stands still. */
function guard(request: Request, options: BodyReaderOptions): Request {
  if (!request.body) return request;
  const hasLength = request.headers.has("Content-Length");
  const body = steadyStream(request.body, { ...options, hasLength });
  return new Request(request.url, {
    method: request.method,
    headers: request.headers,
    body,
    signal: request.signal,
  });
}

/** Requests that its key is for; a PATCH is kept from being done twice by its offset. */
function onceOfUpload(context: Context<AppEnv>, { method, headers }: Request): Once | undefined {
  const once = onceOf(context, [
    method,
    headers.get("Upload-Length"),
    headers.get("Upload-Metadata"),
    bringsBytes(headers),
  ]);
  return method === "POST" || method === "DELETE" ? once : undefined;
}

function bringsBytes(headers: Headers): boolean {
  return headers.get("Content-Type") === CHUNK_TYPE;
}

/** Nobody else knows a new upload, unless the request that makes it is repeated while it still sends. */
function scopeOf({ method, headers }: Request): LockScope {
  if (method === "HEAD") return "reading";
  return method === "POST" && !(headers.has(IDEMPOTENCY_KEY) && bringsBytes(headers)) ? "here" : "everywhere";
}

function readChecksum(request: Request): ChunkChecksum | undefined {
  const header = request.headers.get("Upload-Checksum");
  if (header === null) return undefined;
  const [name, expected = "", ...rest] = header.trim().split(" ");
  const algorithm = ALGORITHMS.find((one) => one === name);
  if (!algorithm || expected === "" || rest.length > 0) {
    throw new ServiceError(
      "invalid_request",
      `Upload-Checksum must be one of ${ALGORITHMS.join(", ")} and a Base64 digest.`,
    );
  }
  return { algorithm, expected };
}

function assetHeaders({ uri, id }: { uri: string; id: string }): Record<string, string> {
  return { "Asset-Uri": encodeURIComponent(uri), "Asset-Id": encodeURIComponent(id) };
}

/** A client that lost the last answer asks by HEAD: whatever is left to be done is done now. */
async function addAsset(
  context: Context<AppEnv>,
  uploads: ResumableUploads,
  response: Response,
): Promise<void> {
  const id = pathRest(context, `${PATH}/`);
  const { state, sizeBytes } = await uploads.get(id);
  if (state.offset !== sizeBytes) return;
  for (const [name, value] of Object.entries(assetHeaders(await uploads.complete(id)))) {
    response.headers.set(name, value);
  }
}

async function refusal(context: Context<AppEnv>, response: Response, cause: unknown): Promise<Response> {
  const text = (await response.text()).trim();
  const error = cause instanceof ServiceError ? cause : protocolError(response.status, text, cause);
  const status = error.code === "checksum_mismatch" ? CHECKSUM_MISMATCH_STATUS : statusOf(error);
  const answer = failure(context, error);
  const headers = new Headers(answer.headers);
  headers.set("Tus-Resumable", VERSION);
  if (error.code === "precondition_failed") headers.set("Tus-Version", VERSION);
  return new Response(answer.body, { status, headers });
}

function protocolError(status: number, text: string, cause: unknown): ServiceError {
  const code = CODE_OF_STATUS[status] ?? "invalid_request";
  if (code === "internal" && cause instanceof Error) throw cause;
  return new ServiceError(
    code,
    text === "" ? "The upload request is malformed." : `${text.replace(/\.$/, "")}.`,
  );
}

/** Which origins may ask is decided for the whole server, not here. */
function withoutCors(context: Context<AppEnv>, response: Response): Response {
  const headers = new Headers(response.headers);
  for (const name of [...headers.keys()]) if (name.startsWith("access-control-")) headers.delete(name);
  return context.newResponse(response.body, new Response(null, { status: response.status, headers }));
}
