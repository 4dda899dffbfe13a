/** The REST API of a registry. */
import type { Context } from "hono";
import { z } from "zod";
import { type App, type AppEnv, createApp, pathRest, route } from "../http/app.ts";
import { precondition, readChanges, sendDocument } from "../http/document.ts";
import { success } from "../http/envelope.ts";
import { onceOf } from "../http/idempotency_key.ts";
import { sendJson } from "../http/send.ts";
import { operationRoutes, type OperationRoutesOptions } from "../http/operation_routes.ts";
import { readJsonBody } from "../http/json_body.ts";
import { readQueryString } from "../http/query_string.ts";
import { traced } from "../observe/observed.ts";
import { validate } from "../validation.ts";
import { webRoutes, type WebRoutesOptions } from "../web/routes.ts";
import { answerEntries } from "./entry_query.ts";
import type { Federation } from "./federation.ts";
import { answerFederated } from "./federation_query.ts";
import { createBody } from "./schema.ts";
import type { RegistryService } from "./service.ts";

/** What the routes need beside the use cases. */
export interface RegistryRoutesOptions extends OperationRoutesOptions, WebRoutesOptions {
  queryTimeoutMs: number;
  federation: Federation;
}

/** The application of the mode `registry`. */
export function registryRoutes(service: RegistryService, options: RegistryRoutesOptions): App {
  const app = createApp();
  const { tokens } = options;
  operationRoutes(app, options);
  webRoutes(app, options);
  route(app, tokens, "/asset_registry", {
    POST: { access: "write", handle: (context) => createEntry(context, service) },
  });
  route(app, tokens, "/asset_registry/:id", {
    GET: { access: "read", handle: (context) => getEntry(context, service) },
    PUT: { access: "write", handle: (context) => updateEntry(context, service) },
    DELETE: { access: "write", handle: (context) => deleteEntry(context, service) },
  });
  route(app, tokens, "/asset_registries", {
    POST: {
      access: "read",
      handle: (context) => traced("query", () => answerEntries(context, service, options.queryTimeoutMs)),
    },
  });
  route(app, tokens, "/assets", {
    POST: { access: "read", handle: (context) => answerFederated(context, options.federation) },
  });
  route(app, tokens, "/check_health/:id", {
    GET: { access: "read", handle: (context) => checkHealth(context, service) },
  });
  return app;
}

async function createEntry(context: Context<AppEnv>, service: RegistryService): Promise<Response> {
  const body = await readJsonBody(context);
  const id = await service.create(validate(createBody, body), onceOf(context, body));
  return success(context, { message: "Asset registry created", id }, 201);
}

/** The query string of `GET /asset_registry/<id>`. */
export const entryQuery = z.object({
  include: z.literal("health", { error: 'can only be "health"' }).optional()
    .meta({ description: "Adds its health and the last checks of it." }),
});

async function getEntry(context: Context<AppEnv>, service: RegistryService): Promise<Response> {
  const id = pathRest(context, "/asset_registry/");
  const { include } = readQueryString(context, entryQuery);
  if (include) {
    // Health changes without the entry, so this answer has no entity tag.
    const { entry, health } = await service.getWithHealth(id);
    return sendJson(context, { success: true, data: { ...entry, health } }, 200, {
      "Cache-Control": "no-store",
    });
  }
  const { text, etag } = await service.get(id);
  return sendDocument(context, text, etag);
}

async function updateEntry(context: Context<AppEnv>, service: RegistryService): Promise<Response> {
  const body = await readChanges(context);
  await service.update(
    pathRest(context, "/asset_registry/"),
    body,
    precondition(context),
    onceOf(context, body),
  );
  return success(context, { message: "Asset registry updated" });
}

async function deleteEntry(context: Context<AppEnv>, service: RegistryService): Promise<Response> {
  const once = onceOf(context, null);
  await service.remove(pathRest(context, "/asset_registry/"), precondition(context), once);
  return success(context, { message: "Asset registry deleted" });
}

async function checkHealth(context: Context<AppEnv>, service: RegistryService): Promise<Response> {
  const { said, health } = await service.checkHealth(pathRest(context, "/check_health/"));
  return sendJson(context, { success: true, data: said, health }, 200, { "Cache-Control": "no-store" });
}
