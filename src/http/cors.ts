/**
 * Which pages of other origins may use a server (WHATWG Fetch, "CORS protocol"). Without a setting, none.
 *
 * Cookies are not used here, so credentials are never allowed: a page has to know a token to send it.
 */

/** The origins that may: all, or these. */
export type AllowedOrigins = "*" | string[];

/** What a page may send beside what every page may. */
const REQUEST_HEADERS = [
  "Accept",
  "Authorization",
  "Content-Type",
  "Idempotency-Key",
  "If-Match",
  "If-Modified-Since",
  "If-None-Match",
  "If-Range",
  "If-Unmodified-Since",
  "Range",
  "Tus-Resumable",
  "Upload-Checksum",
  "Upload-Defer-Length",
  "Upload-Length",
  "Upload-Metadata",
  "Upload-Offset",
  "X-HTTP-Method-Override",
  "X-Request-Id",
  "X-Requested-With",
].join(", ");

/** What a page may read of an answer beside what every page may. */
const ANSWER_HEADERS = [
  "Accept-Ranges",
  "Allow",
  "Asset-Id",
  "Asset-Uri",
  "Content-Disposition",
  "Content-Length",
  "Content-Range",
  "ETag",
  "Location",
  "Repr-Digest",
  "Retry-After",
  "Tus-Checksum-Algorithm",
  "Tus-Extension",
  "Tus-Max-Size",
  "Tus-Resumable",
  "Tus-Version",
  "Upload-Expires",
  "Upload-Length",
  "Upload-Metadata",
  "Upload-Offset",
  "WWW-Authenticate",
  "X-Next-Cursor",
  "X-Request-Id",
].join(", ");

const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/** Two hours; browsers remember for no longer. */
const MAX_AGE_SECONDS = "7200";

/** Whether a page of this origin may use the server. */
export function isAllowedOrigin(allowed: AllowedOrigins, origin: string): boolean {
  return allowed === "*" || allowed.includes(origin);
}

/** The headers that tell a browser so, for any answer. */
export function corsHeaders(allowed: AllowedOrigins, origin: string | null): Record<string, string> {
  // Caches must not give one origin's answer to another.
  const vary: Record<string, string> = allowed === "*" ? {} : { Vary: "Origin" };
  if (origin === null || !isAllowedOrigin(allowed, origin)) return vary;
  return {
    ...vary,
    "Access-Control-Allow-Origin": allowed === "*" ? "*" : origin,
    "Access-Control-Expose-Headers": ANSWER_HEADERS,
  };
}

/** The further headers of the answer to a preflight request; `undefined` if this is none, or of another origin. */
export function preflightHeaders(
  allowed: AllowedOrigins,
  { method, headers }: Request,
): Record<string, string> | undefined {
  if (method !== "OPTIONS" || !headers.has("Access-Control-Request-Method")) return undefined;
  const origin = headers.get("Origin");
  if (origin === null || !isAllowedOrigin(allowed, origin)) return undefined;
  return {
    "Access-Control-Allow-Methods": METHODS,
    "Access-Control-Allow-Headers": REQUEST_HEADERS,
    "Access-Control-Max-Age": MAX_AGE_SECONDS,
  };
}

/**
 * Whether a request was made by a page of an origin that may not use the server. Browsers say so in `Sec-Fetch-Site`, or, over
 * plain HTTP, only by `Origin`. Other clients send neither.
 *
 * @param hosts with their ports: what the server is called
 */
export function isForeignPage(allowed: AllowedOrigins, headers: Headers, hosts: string[]): boolean {
  const origin = headers.get("Origin");
  if (origin !== null && isAllowedOrigin(allowed, origin)) return false;
  const site = headers.get("Sec-Fetch-Site");
  if (site !== null) return site !== "same-origin" && site !== "none";
  if (origin === null) return false;
  return !URL.canParse(origin) || !hosts.includes(new URL(origin).host);
}
