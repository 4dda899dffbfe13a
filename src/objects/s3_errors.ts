/**
 * What can go wrong with S3: the failure of one request, whether it is worth repeating, and the sentence for a person.
 *
 * Codes are those of the Amazon S3 API Reference, "Error responses", and what MinIO and Ceph add to them. Sentences
 * name the bucket, the endpoint and what to check; never a key id, a secret or a signature.
 */

import { ServiceError } from "../errors.ts";
import { parseRetryAfterMs } from "./backoff.ts";
import { parseS3Xml, type XmlElement, XmlError } from "./s3_xml.ts";

/**
 * How far a request came: `answered` with an error, `unreached` (no connection, so nothing happened), `interrupted`
 * (the connection broke) or `timed_out` (either may have happened all the same).
 */
export type S3FailureKind = "answered" | "unreached" | "interrupted" | "timed_out";

/** What is known of a failed request. */
export interface S3Failure {
  kind: S3FailureKind;
  /** S3's code, or one of ours for a request that got no answer. */
  code: string;
  message: string;
  /** HTTP status of an answer. */
  status?: number;
  /** The region or endpoint that a redirect or a signature error points to. */
  elsewhere?: string;
  retryAfterMs?: number;
  cause?: unknown;
}

/** A request to S3 that failed. It stays inside `objects/`; callers of a store see `toServiceError` of it. */
export class S3Error extends Error {
  override readonly name = "S3Error";
  readonly kind: S3FailureKind;
  readonly code: string;
  readonly status: number | undefined;
  readonly elsewhere: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(failure: S3Failure) {
    super(failure.message, failure.cause === undefined ? undefined : { cause: failure.cause });
    this.kind = failure.kind;
    this.code = failure.code;
    this.status = failure.status;
    this.elsewhere = failure.elsewhere;
    this.retryAfterMs = failure.retryAfterMs;
  }
}

const FULL_CODES = new Set([
  "InsufficientStorage",
  "XMinioStorageFull",
  "QuotaExceeded",
  "XMinioAdminBucketQuotaExceeded",
]);
const BUSY_CODES = new Set([
  "SlowDown",
  "ServiceUnavailable",
  "RequestTimeout",
  "TooManyRequests",
  "Throttling",
]);
const TRANSIENT_STATUSES = new Set([429, 500, 502, 503, 504]);

/** Whether the store said that it has no room. */
export function isFull(error: S3Error): boolean {
  return error.status === 507 || FULL_CODES.has(error.code);
}

/** Whether the same request may succeed a moment later. */
export function isTransient(error: S3Error): boolean {
  if (isFull(error)) return false;
  if (error.kind !== "answered") return true;
  return BUSY_CODES.has(error.code) || error.code === "InternalError" ||
    (error.status !== undefined && TRANSIENT_STATUSES.has(error.status));
}

/** Whether a failed request surely changed nothing: it never arrived, or was turned away. */
export function isWithoutEffect(error: S3Error): boolean {
  if (error.kind !== "answered") return error.kind === "unreached";
  return isFull(error) || BUSY_CODES.has(error.code) || error.status === 503 || error.status === undefined ||
    error.status < 500;
}

/** A code for answers without a body, as those to HEAD are. */
function codeOfStatus(status: number, forObject: boolean): string {
  switch (status) {
    case 301:
      return "PermanentRedirect";
    case 307:
      return "TemporaryRedirect";
    case 403:
      return "AccessDenied";
    case 404:
      return forObject ? "NoSuchKey" : "NoSuchBucket";
    case 416:
      return "InvalidRange";
    case 429:
      return "TooManyRequests";
    case 503:
      return "ServiceUnavailable";
    case 507:
      return "InsufficientStorage";
    default:
      return `Http${status}`;
  }
}

/**
 * Reads an answer that is not a success. `body` is its beginning (S3 describes errors in XML; proxies in between don't),
 * `forObject` says whether an object or the bucket was asked for.
 */
export function errorOfAnswer(response: Response, body: string, forObject: boolean, nowMs: number): S3Error {
  const { status, headers } = response;
  const said = readErrorBody(body);
  return new S3Error({
    kind: "answered",
    status,
    // MinIO names the code of an answer to HEAD in a header.
    code: said?.code ?? headers.get("x-minio-error-code") ?? codeOfStatus(status, forObject),
    message: said?.message ?? `HTTP status ${status}`,
    elsewhere: headers.get("x-amz-bucket-region") ?? said?.elsewhere,
    retryAfterMs: parseRetryAfterMs(headers.get("retry-after"), nowMs),
  });
}

/** S3's description of an error, or `undefined` if the document is something else. */
export function describedError(
  root: XmlElement,
): { code: string; message: string; elsewhere?: string } | undefined {
  if (root.name !== "Error") return undefined;
  const code = root.text("Code") || "UnknownError";
  return {
    code,
    message: root.text("Message") || code,
    elsewhere: root.text("Region") ?? root.text("Endpoint"),
  };
}

function readErrorBody(body: string): ReturnType<typeof describedError> {
  try {
    return describedError(parseS3Xml(body));
  } catch (error) {
    if (error instanceof XmlError) return undefined;
    throw error;
  }
}

/** What a sentence about a failure names. */
export interface S3Place {
  bucket: string;
  endpoint: string;
  key?: string;
}

/** Longest piece of a server's own words in a sentence of ours. */
const MAX_QUOTED_CHARS = 200;

/**
 * What the callers of a store see of a failure: `not_found` for a missing object, `out_of_space` for a full store,
 * `storage_error` for the rest. Anything that is no `S3Error` is given back as it is.
 */
export function toServiceError(error: unknown, place: S3Place): unknown {
  if (error instanceof XmlError) {
    return new ServiceError(
      "storage_error",
      `${at(place)} gave an answer that is not S3's: ${error.message}.`,
      {
        cause: error,
      },
    );
  }
  if (!(error instanceof S3Error)) return error;
  const details = { s3_code: error.code, ...(error.status === undefined ? {} : { s3_status: error.status }) };
  if (error.code === "NoSuchKey") {
    return new ServiceError("not_found", `There is no object "${place.key ?? ""}" in the store.`, {
      cause: error,
    });
  }
  if (isFull(error)) {
    return new ServiceError("out_of_space", `${at(place)} has no room left.`, { details, cause: error });
  }
  return new ServiceError("storage_error", sentence(error, place), { details, cause: error });
}

function at({ bucket, endpoint }: S3Place): string {
  return `The S3 bucket "${bucket}" at ${endpoint}`;
}

function sentence(error: S3Error, place: S3Place): string {
  const { bucket, endpoint } = place;
  if (error.kind === "unreached") {
    return `The S3 endpoint ${endpoint} can't be reached; check that it is right and that the service runs.`;
  }
  if (error.kind === "interrupted") return `The connection to the S3 endpoint ${endpoint} broke.`;
  if (error.kind === "timed_out") return `The S3 endpoint ${endpoint} did not answer in time.`;
  switch (error.code) {
    case "NoSuchBucket":
      return `There is no bucket "${bucket}" at ${endpoint}; check the bucket's name, or create it.`;
    case "AccessDenied":
    case "AllAccessDisabled":
      return `${at(place)} denies access; check the permissions of the access key.`;
    case "InvalidAccessKeyId":
      return `The S3 endpoint ${endpoint} does not know the access key id; check AWS_ACCESS_KEY_ID.`;
    case "SignatureDoesNotMatch":
      return `The S3 endpoint ${endpoint} refuses the signature for the bucket "${bucket}"; ` +
        `check AWS_SECRET_ACCESS_KEY, the region, and that no proxy changes the Host header.`;
    case "ExpiredToken":
    case "InvalidToken":
      return `The S3 endpoint ${endpoint} refuses the session token; check AWS_SESSION_TOKEN.`;
    case "RequestTimeTooSkewed":
      return `The clock of this machine differs too much from that of the S3 endpoint ${endpoint}; set it right.`;
    case "PermanentRedirect":
    case "TemporaryRedirect":
    case "Redirect":
    case "AuthorizationHeaderMalformed":
    case "IncorrectEndpoint":
    case "IllegalLocationConstraintException":
      return `${at(place)} is to be asked elsewhere` +
        `${error.elsewhere ? `, in "${error.elsewhere.slice(0, MAX_QUOTED_CHARS)}"` : ""}; ` +
        `check the region and the endpoint.`;
    case "InvalidRange":
      return `${at(place)} can't give the range that was asked of "${place.key ?? ""}".`;
    case "NotImplemented":
    case "MethodNotAllowed":
      return `The S3 endpoint ${endpoint} does not offer this operation (${error.code}).`;
    default:
      return `${at(place)} answered ${error.code}: ${error.message.slice(0, MAX_QUOTED_CHARS)}`;
  }
}
