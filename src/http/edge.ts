/**
 * What happens to every request before and behind its route: its id, a valid target, the rate limit, what browsers are told.
 *
 * It stands around the application and is none of its middlewares: without any, Hono calls a route's handler directly, and a
 * request out of memory costs little more than that.
 */
import { ServiceError } from "../errors.ts";
import { preflightHeaders } from "./cors.ts";
import { errorAnswer } from "./envelope.ts";
import type { Exchange } from "./exchange.ts";
import { addCommonHeaders } from "./send.ts";

/** A sane request id, which is taken over from the client: it goes into a header and into each line of the log. */
const REQUEST_ID = /^[\w=-]{1,128}$/;

/** A host and a port, or an address in brackets: what may stand between `http://` and the path (RFC 3986 §3.2). */
const AUTHORITY = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?$/;

/** Whoever watches a server must not be kept from it. */
const UNLIMITED_PATH = /^https?:\/\/[^/?#]*\/(?:health|livez|readyz)(?:\?|$)/;

/**
 * Files have any type, pages bring their own policy: a browser that shows an answer as a page may load and run nothing, and
 * frame it nowhere. Answers in JSON are no pages.
 */
const CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** The authority that was found valid last: most requests name the same. */
let validAuthority: string | undefined;

/**
 * Takes a request in: gives it its id, and answers it if it comes no further.
 *
 * @returns `undefined` if it is for the application
 */
export function enter(exchange: Exchange, request: Request): Response | undefined {
  const { headers, url } = request;
  const given = headers.get("X-Request-Id");
  exchange.id = given !== null && REQUEST_ID.test(given) ? given : crypto.randomUUID();
  const { origins, limiter } = exchange.edge;
  if (origins.length > 0) exchange.origin = headers.get("Origin");
  if (!isValidTarget(url, headers.get("Host") ?? "")) {
    const message = "The Host header or the request target is not valid.";
    return errorAnswer(exchange, new ServiceError("invalid_request", message));
  }
  if (limiter && !UNLIMITED_PATH.test(url)) {
    const waitMs = limiter.take(exchange.client, exchange.startedAt);
    if (waitMs > 0) return errorAnswer(exchange, tooManyRequests(waitMs));
  }
  const preflight = preflightHeaders(origins, request);
  return preflight && new Response(null, { status: 204, headers: preflight });
}

/** Adds to an answer what every answer has, and takes note of it. It is not rebuilt for that: that would have it sent in chunks. */
export function leave(exchange: Exchange, response: Response): Response {
  exchange.status = response.status;
  if (exchange.isWhole) return response;
  const { headers } = response;
  addCommonHeaders(headers, exchange);
  if (!headers.has("Content-Security-Policy")) {
    headers.set("Content-Security-Policy", CONTENT_SECURITY_POLICY);
  }
  // A file says how long it is; what was sent as text has been counted.
  if (exchange.bytesOut === 0 && response.status < 300) {
    exchange.bytesOut = Number(headers.get("Content-Length") ?? 0);
  }
  return response;
}

/** The URL of a request is made of its Host header, so a slash in that would move the path. */
function isValidTarget(url: string, host: string): boolean {
  const start = url.indexOf("://") + 3;
  const length = url.slice(start).search(/[/?#]/);
  const authority = length === -1 ? url.slice(start) : url.slice(start, start + length);
  if (authority === validAuthority && host === authority) return true;
  if (!AUTHORITY.test(host) || !AUTHORITY.test(authority) || !URL.canParse(url)) return false;
  validAuthority = authority;
  return true;
}

function tooManyRequests(waitMs: number): ServiceError {
  const seconds = Math.ceil(waitMs / 1000);
  const message = `That were too many requests; the next one may come in ${seconds} s (--rate-limit).`;
  return new ServiceError("too_many_requests", message, { headers: { "Retry-After": String(seconds) } });
}
