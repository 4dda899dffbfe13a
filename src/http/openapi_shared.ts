/** The operations and the schemas that both modes describe alike. */
import { z } from "zod";
import type { JsonObject } from "../collection/json.ts";
import { emptyAnswer, headerParameter, JSON_BODY_ERRORS, jsonAnswer, type Operation } from "./openapi.ts";
import { schemaRef } from "./openapi_schema.ts";

const check = z.looseObject({
  status: z.enum(["healthy", "unhealthy"]),
  latency_ms: z.number(),
  error: z.string().optional(),
});

/** Schemas for `components.schemas` of both modes. */
export const SHARED_SCHEMAS = {
  Filter: z.looseObject({}).meta({
    description: "A MongoDB query document; `{}` matches everything. At most 32 levels and 64 KiB.",
  }),
  Health: z.looseObject({
    success: z.boolean(),
    message: z.enum(["healthy", "unhealthy"]),
    mode: z.enum(["assets-db", "registry"]),
    version: z.string(),
    checks: z.record(z.string(), check),
  }),
  Done: z.strictObject({ success: z.literal(true), data: z.strictObject({ message: z.string() }) }),
};

/** The tag of the operations below. */
export const OPERATIONS_TAG = "Operation";
const PAGES_TAG = "Pages";

/** The sections of the operations below. */
export const SHARED_TAGS = {
  [OPERATIONS_TAG]: "Is it well, and what does it do.",
  [PAGES_TAG]: "What people and tools read.",
};

/**
 * The operations of both modes.
 *
 * @param about what `/health` says of the server beside its checks
 */
export function sharedOperations(about: JsonObject): Operation[] {
  const healthy = {
    success: true,
    message: "healthy",
    ...about,
    checks: { kv: { status: "healthy", latency_ms: 0.2 } },
  };
  const unhealthy = {
    success: false,
    message: "unhealthy",
    ...about,
    checks: { kv: { status: "unhealthy", latency_ms: 3000, error: "no answer within 3 s" } },
  };
  const healthAnswers = {
    200: jsonAnswer("Everything that it stands on answers.", "Health", healthy),
    503: jsonAnswer("Something does not.", "Health", unhealthy),
  };
  const open = { access: "open", method: "get" } as const;
  return [
    {
      ...open,
      path: "/health",
      id: "health",
      tag: OPERATIONS_TAG,
      summary: "Whether it is well",
      answers: healthAnswers,
    },
    {
      ...open,
      path: "/readyz",
      id: "ready",
      tag: OPERATIONS_TAG,
      summary: "Whether it can serve",
      answers: healthAnswers,
    },
    {
      ...open,
      path: "/livez",
      id: "live",
      tag: OPERATIONS_TAG,
      summary: "Whether the process runs",
      answers: { 200: jsonAnswer("It does.", aliveSchema, { success: true, message: "alive" }) },
    },
    {
      method: "get",
      path: "/metrics",
      id: "metrics",
      tag: OPERATIONS_TAG,
      access: "read",
      summary: "Metrics for Prometheus",
      answers: {
        200: textAnswer(
          "The text format, version 0.0.4.",
          "text/plain",
          "assets_server_requests_in_flight 1\n",
        ),
      },
    },
    {
      ...open,
      path: "/openapi.json",
      id: "describe",
      tag: PAGES_TAG,
      summary: "This description",
      answers: { 200: jsonAnswer("An OpenAPI document.", { type: "object" }, { openapi: "3.1.1" }) },
    },
    page("/docs", "docs", "This description, to be read"),
    page("/ui/", "ui", "The page for browsers"),
    {
      ...open,
      path: "/",
      id: "welcome",
      tag: PAGES_TAG,
      summary: "What this is",
      answers: {
        200: textAnswer("A few lines.", "text/plain", "An Assets DB (assets-server).\n"),
        302: emptyAnswer("Browsers are sent to the page.", { Location: "`ui/`" }),
      },
    },
  ];

  function page(path: string, id: string, summary: string): Operation {
    const answers = {
      200: textAnswer("A page that needs nothing from elsewhere.", "text/html", "<!DOCTYPE html>…"),
    };
    return { ...open, path, id, tag: PAGES_TAG, summary, answers };
  }
}

const aliveSchema = {
  type: "object",
  required: ["success", "message"],
  properties: { success: { const: true }, message: { const: "alive" } },
  additionalProperties: false,
};

/** The header of a change that is to be made once. */
export const idempotencyKey = headerParameter(
  "Idempotency-Key",
  "Up to 255 characters, kept for 24 hours: the same request with the same key is done once.",
);

/** An answer that is text. */
export function textAnswer(description: string, mediaType: string, example: string): JsonObject {
  return { description, content: { [mediaType]: { schema: { type: "string" }, example } } };
}

/** What a query by a filter takes and answers, whatever it finds. */
export function queryOperation(
  { answer, examples, ...operation }:
    & Pick<Operation, "path" | "id" | "tag" | "summary" | "description" | "parameters">
    & {
      answer: { schema: string; example: JsonObject; line: JsonObject };
      examples: Record<string, JsonObject>;
    },
): Operation {
  const { schema, example, line } = answer;
  return {
    ...operation,
    method: "post",
    access: "read",
    body: {
      required: true,
      content: { "application/json": { schema: schemaRef("Filter"), examples: named(examples) } },
    },
    answers: {
      200: {
        description: "What matches. It is sent as it is found; one that breaks off is not complete.",
        headers: {
          "X-Next-Cursor": {
            description: "In NDJSON: the cursor of the next page, if there is one.",
            schema: { type: "string" },
          },
        },
        content: {
          "application/json": { schema: schemaRef(schema), example },
          "application/x-ndjson": { schema: { type: "string" }, example: `${JSON.stringify(line)}\n` },
        },
      },
    },
    errors: ["invalid_filter", ...JSON_BODY_ERRORS],
  };
}

function named(examples: Record<string, JsonObject>): JsonObject {
  return Object.fromEntries(
    Object.entries(examples).map(([summary, value]) => [summary.replaceAll(/\W+/g, "_"), { summary, value }]),
  );
}
