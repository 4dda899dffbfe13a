/** What people and tools read: the description of the API, and pages that need nothing from elsewhere. */
import type { JsonObject } from "../collection/json.ts";
import { type App, type AppHandler, route } from "../http/app.ts";
import type { AccessTokens } from "../http/auth.ts";
import { sendText } from "../http/send.ts";
import { assetsPage } from "./assets_page.tsx";
import assetsScript from "./assets.js" with { type: "text" };
import { docsPage } from "./docs_page.tsx";
import icon from "./icon.svg" with { type: "text" };
import { registryPage } from "./registry_page.tsx";
import registryScript from "./registry.js" with { type: "text" };
import style from "./style.css" with { type: "text" };

/** What these routes show. */
export interface WebRoutesOptions {
  tokens: AccessTokens;
  /** Makes the description of the mode's API, an OpenAPI document. It is asked for once, when somebody reads it. */
  api: () => JsonObject;
  /** Which pages there are. */
  mode: "assets-db" | "registry";
}

/**
 * Pages load what this server has, and nothing else; no other page may frame them (Content Security Policy Level 3).
 * They send forms nowhere: what they do, they do by script.
 */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** A new version of the server brings new pages: they are asked for again each time. */
const CACHING = { "Cache-Control": "no-cache" };

/** Adds `/openapi.json` and the pages to an application. */
export function webRoutes(
  app: App,
  { tokens, api, mode }: WebRoutesOptions,
): void {
  const get = (path: string, handle: AppHandler) =>
    route(app, tokens, path, { GET: { access: "open", handle } });
  // Few servers are ever asked for these, and a start need not wait for them.
  const description = once(api);
  const text = once(() => JSON.stringify(description()));
  get(
    "/openapi.json",
    (context) =>
      sendText(context, text(), 200, {
        "Content-Type": "application/json",
      }),
  );
  get("/docs", page(() => docsPage(description())));
  get("/", welcome(mode));
  get("/ui", (context) => context.body(null, 308, { Location: "ui/" }));
  get("/ui/", page(mode === "registry" ? registryPage : assetsPage));
  if (mode === "registry") {
    get("/ui/registry.js", asset(registryScript, "text/javascript"));
  } else get("/ui/assets.js", asset(assetsScript, "text/javascript"));
  get("/ui/icon.svg", asset(icon, "image/svg+xml"));
  get("/ui/style.css", asset(style, "text/css"));
}

/** Sends browsers to the page, and tells everybody else what this is. */
function welcome(mode: WebRoutesOptions["mode"]): AppHandler {
  const name = mode === "registry" ? "An assets registry" : "An Assets DB";
  const text = `${name} (assets-server).\n` +
    "  /ui/            the page for browsers\n" +
    "  /docs           the API, to be read\n" +
    "  /openapi.json   the API, for programs\n" +
    "  /health         how it is\n";
  const headers = {
    "Content-Type": "text/plain; charset=utf-8",
    Vary: "Accept",
  };
  return (context) =>
    /\btext\/html\b/i.test(context.req.header("Accept") ?? "")
      ? context.body(null, 302, { Location: "ui/", Vary: "Accept" })
      : sendText(context, text, 200, headers);
}

/** @param make makes the page, when it is first asked for */
function page(make: () => string | Promise<string>): AppHandler {
  const html = once(make);
  const headers = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": PAGE_POLICY,
    "Referrer-Policy": "no-referrer",
    ...CACHING,
  };
  return async (context) => sendText(context, await html(), 200, headers);
}

function asset(text: string, type: string): AppHandler {
  const headers = { "Content-Type": `${type}; charset=utf-8`, ...CACHING };
  return (context) => sendText(context, text, 200, headers);
}

/** Makes something when it is first asked for, and keeps it. */
function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
