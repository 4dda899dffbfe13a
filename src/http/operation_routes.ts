/** The routes for those who run a server, the same in both modes: is it well, and what does it do. */
import { type App, route } from "./app.ts";
import type { AccessTokens } from "./auth.ts";
import { sendJson, sendText } from "./send.ts";
import { healthAnswer, type HealthChecks } from "./health.ts";

/** What these routes tell. */
export interface OperationRoutesOptions {
  tokens: AccessTokens;
  health: HealthChecks;
  /** The text of a scrape. */
  metrics: () => Promise<string>;
}

/** Prometheus, "Exposition formats". */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const NO_STORE = { "Cache-Control": "no-store" };

/** Adds `/health`, `/livez`, `/readyz` and `/metrics` to an application. */
export function operationRoutes(app: App, { tokens, health, metrics }: OperationRoutesOptions): void {
  route(app, tokens, "/health", {
    GET: { access: "open", handle: (context) => healthAnswer(context, health) },
  });
  route(app, tokens, "/readyz", {
    GET: { access: "open", handle: (context) => healthAnswer(context, health) },
  });
  route(app, tokens, "/livez", {
    GET: {
      access: "open",
      handle: (context) => sendJson(context, { success: true, message: "alive" }, 200, NO_STORE),
    },
  });
  route(app, tokens, "/metrics", {
    GET: {
      access: "read",
      handle: async (context) =>
        sendText(context, await metrics(), 200, { ...NO_STORE, "Content-Type": METRICS_TYPE }),
    },
  });
}
