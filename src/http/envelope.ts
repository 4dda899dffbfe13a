/** The two envelopes of every JSON answer, and the one place where an error becomes a status. */
import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { type ErrorCode, ServiceError } from "../errors.ts";
import type { Exchange } from "./exchange.ts";
import { sendJson } from "./send.ts";

const log = getLogger(["assets-server", "http"]);

/** RFC 9110 §15; for 423 RFC 4918 §11.3, for 429 RFC 6585 §4. */
const STATUS: Record<ErrorCode, ContentfulStatusCode> = {
  invalid_request: 400,
  invalid_json: 400,
  invalid_filter: 400,
  checksum_mismatch: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  route_not_found: 404,
  method_not_allowed: 405,
  already_exists: 409,
  not_owner: 409,
  offset_mismatch: 409,
  locked: 423,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  range_not_satisfiable: 416,
  too_many_requests: 429,
  internal: 500,
  storage_error: 502,
  unhealthy: 502,
  unavailable: 503,
  timeout: 504,
  out_of_space: 507,
};

/** The status that answers an error. */
export function statusOf({ code }: Pick<ServiceError, "code">): ContentfulStatusCode {
  return STATUS[code];
}

/** How long a client should wait before it tries again what was `unavailable`, in seconds. */
const RETRY_AFTER_SECONDS = "5";

/** `{"success": true, "data": …}` */
export function success(context: Context, data: unknown, status: ContentfulStatusCode = 200): Response {
  return sendJson(context, { success: true, data }, status);
}

/**
 * The error envelope. What is not a `ServiceError` is a fault of ours: it is logged with the request's id, and the client
 * learns no more than that.
 */
export function failure(context: Context, error: unknown): Response {
  return errorAnswer(context.env, isOfClientGone(context, error) ? clientGone(error) : error);
}

/** Work that was given up because nobody waits for it any more is no fault of ours. */
function isOfClientGone({ req }: Context, error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError" && req.raw.signal.aborted;
}

function clientGone(cause: unknown): ServiceError {
  return new ServiceError("invalid_request", "The client closed the connection before it was answered.", {
    cause,
  });
}

/** The same for a request that no route has. */
export function errorAnswer(exchange: Exchange, error: unknown): Response {
  const { code, message, details, headers: given } = toServiceError(error, exchange);
  const headers = { ...given };
  if (code === "unauthenticated") headers["WWW-Authenticate"] = "Bearer";
  if (code === "unavailable") headers["Retry-After"] = RETRY_AFTER_SECONDS;
  const body = { success: false, error: message, message, code, details };
  return sendJson({ env: exchange }, body, STATUS[code], headers);
}

function toServiceError(error: unknown, exchange: Exchange): ServiceError {
  if (error instanceof ServiceError) {
    if (statusOf(error) >= 500) {
      log.warn("{id} {method} {route}: {code}: {message} {cause}", {
        ...request(exchange),
        code: error.code,
        message: error.message,
        cause: error.cause ?? "",
      });
    }
    return error;
  }
  if (error instanceof HTTPException && error.status < 500) {
    return new ServiceError("invalid_request", error.message || "The request is malformed.");
  }
  log.error("{id} {method} {route}: {error}", { ...request(exchange), error });
  return new ServiceError("internal", "Something went wrong on the server; its log has the details.");
}

function request({ id, method, route }: Exchange) {
  return { id, method, route };
}
