/**
 * What happens to every request before and behind its route: its id, a valid target, the rate limit, what browsers are told.
 *
 * It is one middleware, because every further one costs a request as much as a lookup.
 */
import type { Context, MiddlewareHandler } from "hono";
import { ServiceError } from "../errors.ts";
import type { AppEnv } from "./app.ts";
import { corsHeaders, preflightHeaders } from "./cors.ts";
import { failure } from "./envelope.ts";

/** A sane request id, which is taken over from the client. */
const REQUEST_ID = /^[\w=-]{1,128}$/;

/** A host and a port, or an address in brackets: what may stand between `http://` and the path (RFC 3986 §3.2). */
const AUTHORITY = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?$/;

/** Whoever watches a server must not be kept from it. */
const UNLIMITED_PATHS = new Set(["/health", "/livez", "/readyz"]);

/** An answer is data: a browser that shows it as a page may load and run nothing, and frame it nowhere. Pages bring their own. */
const CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** The middleware. */
export function edge(): MiddlewareHandler<AppEnv> {
  let validAuthority: string | undefined;
  return async (context, next) => {
    const { headers, url } = context.req.raw;
    const given = headers.get("X-Request-Id");
    context.env.id = given !== null && REQUEST_ID.test(given) ? given : crypto.randomUUID();
    const authority = authorityOf(url);
    const host = headers.get("Host") ?? "";
    // Most requests name the host that the last one did.
    if (authority !== validAuthority || host !== authority) {
      if (!isValidTarget(url, authority, host)) {
        const message = "The Host header or the request target is not valid.";
        return finish(context, failure(context, new ServiceError("invalid_request", message)));
      }
      validAuthority = authority;
    }
    const waitMs = overLimit(context);
    if (waitMs > 0) return finish(context, failure(context, tooManyRequests(waitMs)));
    const preflight = preflightHeaders(context.env.edge.origins, context.req.raw);
    if (preflight) return finish(context, context.body(null, 204, preflight));
    await next();
    if (context.req.method === "HEAD") await measureHead(context);
    finish(context, context.res);
  };
}

/** Between `http://` and the path. */
function authorityOf(url: string): string {
  const start = url.indexOf("://") + 3;
  const end = url.slice(start).search(/[/?#]/);
  return end === -1 ? url.slice(start) : url.slice(start, start + end);
}

/** The URL of a request is made of its Host header, so a slash in that would move the path. */
function isValidTarget(url: string, authority: string, host: string): boolean {
  return AUTHORITY.test(host) && AUTHORITY.test(authority) && URL.canParse(url);
}

function overLimit({ env, req }: Context<AppEnv>): number {
  const { limiter } = env.edge;
  if (!limiter || UNLIMITED_PATHS.has(req.path)) return 0;
  return limiter.take(env.client, env.startedAt);
}

function tooManyRequests(waitMs: number): ServiceError {
  const seconds = Math.ceil(waitMs / 1000);
  const message = `That were too many requests; the next one may come in ${seconds} s (--rate-limit).`;
  return new ServiceError("too_many_requests", message, { headers: { "Retry-After": String(seconds) } });
}

/**
 * The length that GET's body has, on the answer to HEAD (RFC 9110 §9.3.2): the server would say 0. Other answers are left
 * alone: to touch their body here would have them sent in chunks.
 */
async function measureHead(context: Context<AppEnv>): Promise<void> {
  if (context.res.headers.has("Content-Length") || !context.res.body) return;
  const length = (await context.res.clone().arrayBuffer()).byteLength;
  context.res.headers.set("Content-Length", String(length));
}

/** Adds to an answer what every answer has. It is not rebuilt for that: see `measureHead`. */
function finish({ env, req }: Context<AppEnv>, response: Response): Response {
  const { headers } = response;
  headers.set("X-Request-Id", env.id);
  headers.set("X-Content-Type-Options", "nosniff");
  if (!headers.has("Content-Security-Policy")) {
    headers.set("Content-Security-Policy", CONTENT_SECURITY_POLICY);
  }
  const { origins } = env.edge;
  if (origins.length > 0) {
    for (const [name, value] of Object.entries(corsHeaders(origins, req.raw.headers.get("Origin")))) {
      if (name === "Vary") headers.append(name, value);
      else headers.set(name, value);
    }
  }
  env.status = response.status;
  // A file says how long it is; what was sent as text has been counted.
  if (env.bytesOut === 0 && response.status < 300) env.bytesOut = Number(headers.get("Content-Length") ?? 0);
  return response;
}
