/**
 * The one error that crosses the rooms of this program: a code from the public contract, a sentence, details.
 *
 * It is thrown where the cause is known; `http/` alone turns it into a status and an envelope.
 */

/** What can go wrong, in the words that clients see in `code`. */
export type ErrorCode =
  | "invalid_request"
  | "invalid_json"
  | "invalid_filter"
  | "checksum_mismatch"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "route_not_found"
  | "method_not_allowed"
  | "already_exists"
  | "not_owner"
  | "offset_mismatch"
  | "locked"
  | "precondition_failed"
  | "too_large"
  | "unsupported_media_type"
  | "range_not_satisfiable"
  | "too_many_requests"
  | "internal"
  | "storage_error"
  | "unhealthy"
  | "unavailable"
  | "timeout"
  | "out_of_space";

/** One offending field: its dotted path (`""` for the whole body) and a sentence. */
export interface FieldProblem {
  path: string;
  message: string;
}

/** What else is known of an error. */
export interface ServiceErrorOptions {
  details?: unknown;
  cause?: unknown;
  headers?: Record<string, string>;
}

/** An error that a client is meant to read. `message` is one sentence, `details` is JSON. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly code: ErrorCode;
  readonly details: unknown;
  /** Facts that HTTP says in a header of their own, such as `Content-Range`. */
  readonly headers: Record<string, string>;

  constructor(code: ErrorCode, message: string, options: ServiceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details;
    this.headers = options.headers ?? {};
  }
}
