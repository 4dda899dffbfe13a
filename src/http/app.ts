/**
 * What every application of this program shares: raw paths, authentication, the error envelope, and answers to unknown routes
 * and methods.
 */
import { Hono } from "hono";
import type { Context, Handler } from "hono";
import { ServiceError } from "../errors.ts";
import { nameRequestSpan } from "../observe/observed.ts";
import { type AccessTokens, authorize } from "./auth.ts";
import { failure } from "./envelope.ts";
import type { Exchange } from "./exchange.ts";

/** What a request's context holds. */
export interface AppEnv {
  Bindings: Exchange;
}

/** An application of one mode. */
export type App = Hono<AppEnv>;

/** A handler of such an application. */
export type AppHandler = Handler<AppEnv>;

/** What a method of a route needs of the caller: to be allowed to read, to change something, or nothing. */
export type Access = "open" | "read" | "write";

/** The methods of one path. `GET` answers `HEAD` as well unless `HEAD` has a handler of its own. */
export type Methods = Partial<
  Record<"GET" | "HEAD" | "POST" | "PUT" | "DELETE", { access: Access; handle: AppHandler }>
>;

/** An application without routes. */
export function createApp(): App {
  const app = new Hono<AppEnv>({ getPath: rawPath });
  app.onError((error, context) => failure(context, error));
  app.notFound((context) =>
    failure(context, new ServiceError("route_not_found", `There is no ${context.req.path} here.`))
  );
  return app;
}

/**
 * The request as it is, unless its method is named like something that every object has, such as `constructor`: the router
 * would find that. Under another name it is refused like any unknown method.
 */
export function withHarmlessMethod(request: Request): Request {
  return request.method in Object.prototype
    ? new Request(request.url, { method: "UNKNOWN", headers: request.headers })
    : request;
}

/**
 * Adds a path with its methods. Any other method is answered 405 with `Allow` (RFC 9110 §15.5.6), `OPTIONS` 204.
 *
 * @param path in Hono's notation; it is matched against the raw path, still percent-encoded
 */
export function route(app: App, tokens: AccessTokens, path: string, methods: Methods): void {
  const byName = new Map(Object.entries(methods));
  const allowed = [...byName.keys()];
  if (methods.GET && !methods.HEAD) allowed.push("HEAD");
  const allow = [...allowed, "OPTIONS"].join(", ");
  const pattern = path.replaceAll(/\{[^}]*\}/g, "");
  app.all(path, (context, next) => {
    context.env.route = pattern;
    const method = context.req.method;
    nameRequestSpan(method, pattern);
    if (method === "OPTIONS") return context.body(null, 204, { Allow: allow });
    const chosen = method === "HEAD" ? methods.HEAD ?? methods.GET : byName.get(method);
    if (!chosen) {
      throw new ServiceError("method_not_allowed", `${method} is not allowed here; allowed: ${allow}.`, {
        headers: { Allow: allow },
      });
    }
    authorize(context, tokens, chosen.access);
    const answer = chosen.handle(context, next);
    return method === "HEAD" ? measured(answer) : answer;
  });
}

/**
 * The length that GET's body has, on the answer to HEAD (RFC 9110 §9.3.2): the server would say 0. Other answers are left
 * alone: to touch their body here would have them sent in chunks.
 */
async function measured(handled: ReturnType<AppHandler>): Promise<Response> {
  const answer: unknown = await handled;
  if (!(answer instanceof Response)) throw new TypeError("A handler answered nothing");
  if (answer.headers.has("Content-Length") || !answer.body) return answer;
  const { status, headers } = answer;
  headers.set("Content-Length", String((await answer.arrayBuffer()).byteLength));
  return new Response(null, { status, headers });
}

/**
 * The path of a request as it was sent. `new URL()` would resolve `/../` and turn `\` into `/`, which may both be part of an
 * asset's name.
 */
export function rawPath(request: Request): string {
  const { url } = request;
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start === -1) return "/";
  const end = url.indexOf("?", start);
  return end === -1 ? url.slice(start) : url.slice(start, end);
}

/**
 * What follows `prefix` in the path of a request, percent-decoded (RFC 3986 §2.1). A path with a `%` that is no encoding was
 * sent raw and is taken as it is.
 */
export function pathRest(context: Context, prefix: string): string {
  const rest = context.req.path.slice(prefix.length);
  try {
    return decodeURIComponent(rest);
  } catch {
    return rest;
  }
}
