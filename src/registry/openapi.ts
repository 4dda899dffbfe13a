/** The description of a registry's API. */
import { z } from "zod";
import { ASSET_EXAMPLE } from "../assets/openapi_example.ts";
import { foundAsset } from "../assets/schema.ts";
import type { JsonObject } from "../collection/json.ts";
import {
  describeApi,
  emptyAnswer,
  headerParameter,
  JSON_BODY_ERRORS,
  jsonAnswer,
  jsonBody,
  type Operation,
  pathParameter,
  queryParameters,
} from "../http/openapi.ts";
import {
  idempotencyKey,
  queryOperation,
  SHARED_SCHEMAS,
  SHARED_TAGS,
  sharedOperations,
} from "../http/openapi_shared.ts";
import { query, queryWithHealth } from "../http/query_answer.ts";
import { entryQuery } from "./routes.ts";
import { createBody, entrySchema } from "./schema.ts";

const success = z.literal(true);

const healthCheck = z.strictObject({
  status: z.enum(["healthy", "unhealthy"]),
  checked_at: z.string(),
  latency_ms: z.number(),
  error: z.string().optional(),
});

const entryHealth = z.strictObject({
  status: z.enum(["healthy", "unhealthy", "unknown"]),
  checked_at: z.string().nullable(),
  latency_ms: z.number().nullable(),
  since: z.string().nullable().meta({ description: "When the status became what it is." }),
  consecutive_failures: z.int(),
  error: z.string().optional(),
  history: z.array(healthCheck).optional().meta({ description: "The last checks, oldest first." }),
});

const source = z.strictObject({
  asset_registry_id: z.string(),
  asset_registry_name: z.string(),
  asset_registry_public_url: z.string(),
  status: z.enum(["ok", "error", "timeout", "skipped"]),
  count: z.int().meta({ description: "Of its documents in this answer." }),
  error: z.string().optional(),
  explain: z.strictObject({
    requests: z.int().meta({ description: "One for each page." }),
    bytes: z.int(),
    documents: z.int().meta({ description: "What came, also what was not wanted in the end." }),
    duplicates: z.int().meta({ description: "What another source gave instead." }),
    first_ms: z.number().nullable().meta({ description: "Until its first document." }),
    took_ms: z.number().nullable().meta({ description: "Until its end." }),
  }).optional().meta({ description: "With `explain=true`: what it has done." }),
});

const shownEntry = z.strictObject({ ...entrySchema.shape, health: entryHealth.optional() });

const page = {
  next_cursor: z.string().nullable().optional().meta({ description: "With `limit`; null at the end." }),
  count: z.int().optional().meta({ description: "With `count=only`." }),
};

const schemas = {
  ...SHARED_SCHEMAS,
  Entry: shownEntry,
  FoundEntry: z.looseObject({ ...shownEntry.partial().shape, id: z.string().optional() }),
  EntryHealth: entryHealth,
  NewEntry: createBody,
  EntryChanges: z.looseObject(entrySchema.partial().shape).meta({
    description:
      "A field is replaced whole; a dotted path, such as `asset_registry_metadata.floor`, sets that leaf.",
  }),
  EntryAnswer: z.strictObject({ success, data: shownEntry }),
  CreateAnswer: z.strictObject({ success, data: z.strictObject({ message: z.string(), id: z.string() }) }),
  Source: source,
  FoundAsset: foundAsset,
  CheckAnswer: z.strictObject({
    success,
    data: z.unknown().meta({ description: "What its /health said." }),
    health: z.strictObject({ status: z.literal("healthy"), latency_ms: z.number(), checked_at: z.string() }),
  }),
};

const answers = {
  EntriesAnswer: z.strictObject({
    success,
    data: z.array(schemas.FoundEntry),
    ...page,
    explain: z.looseObject({}).optional(),
  }),
  FederatedAnswer: z.strictObject({
    success,
    data: z.array(foundAsset),
    ...page,
    sources: z.array(source),
    explain: z.strictObject({ took_ms: z.number() }).optional(),
  }),
};

const ENTRY: JsonObject = {
  asset_registry_id: "lab",
  asset_registry_name: "The lab",
  asset_registry_metadata: { floor: 3 },
  asset_registry_tags: ["pytorch"],
  asset_registry_public_url: "http://localhost:4000",
};

const TAG = { entries: "Assets DBs", search: "Search" };

const id = pathParameter("id", "The entry's `asset_registry_id`.", "lab");
const ifMatch = headerParameter("If-Match", "The `ETag` that the entry must still have.");
const ndjson = headerParameter("Accept", "`application/x-ndjson` sends one document a line.");

const operations: Operation[] = [
  {
    method: "post",
    path: "/asset_registry",
    id: "createEntry",
    tag: TAG.entries,
    access: "write",
    summary: "Register an Assets DB",
    parameters: [idempotencyKey],
    body: jsonBody("NewEntry", { "An Assets DB": ENTRY }),
    answers: {
      201: jsonAnswer("It is registered.", "CreateAnswer", {
        success: true,
        data: { message: "Asset registry created", id: "lab" },
      }),
    },
    errors: [...JSON_BODY_ERRORS, "already_exists", "unhealthy"],
  },
  {
    method: "get",
    path: "/asset_registry/{id}",
    id: "getEntry",
    tag: TAG.entries,
    access: "read",
    summary: "An entry",
    parameters: [
      id,
      ...queryParameters(entryQuery),
      headerParameter("If-None-Match", "The `ETag` that is known already."),
      ifMatch,
    ],
    answers: {
      200: jsonAnswer("The entry.", "EntryAnswer", { success: true, data: ENTRY }, {
        ETag: "Changes with every change; not there with `include=health`.",
      }),
      304: emptyAnswer("It is what the client has."),
    },
    errors: ["not_found", "precondition_failed"],
  },
  {
    method: "put",
    path: "/asset_registry/{id}",
    id: "updateEntry",
    tag: TAG.entries,
    access: "write",
    summary: "Change an entry",
    parameters: [id, ifMatch, idempotencyKey],
    body: jsonBody("EntryChanges", { "Set one leaf": { "asset_registry_metadata.floor": 4 } }),
    answers: {
      200: jsonAnswer("It is changed.", "Done", {
        success: true,
        data: { message: "Asset registry updated" },
      }),
    },
    errors: [
      ...JSON_BODY_ERRORS,
      "not_found",
      "already_exists",
      "precondition_failed",
      "unhealthy",
    ],
  },
  {
    method: "delete",
    path: "/asset_registry/{id}",
    id: "deleteEntry",
    tag: TAG.entries,
    access: "write",
    summary: "Remove an entry",
    description: "The Assets DB itself is left alone.",
    parameters: [id, ifMatch, idempotencyKey],
    answers: {
      200: jsonAnswer("It is gone.", "Done", { success: true, data: { message: "Asset registry deleted" } }),
    },
    errors: ["not_found", "precondition_failed"],
  },
  queryOperation({
    path: "/asset_registries",
    id: "findEntries",
    tag: TAG.entries,
    summary: "Find Assets DBs by a MongoDB filter",
    parameters: [...queryParameters(queryWithHealth), ndjson],
    examples: { "Everything": {}, "A tag": { asset_registry_tags: "pytorch" } },
    answer: {
      schema: "EntriesAnswer",
      example: { success: true, data: [ENTRY], next_cursor: null },
      line: ENTRY,
    },
  }),
  {
    method: "get",
    path: "/check_health/{id}",
    id: "checkHealth",
    tag: TAG.entries,
    access: "read",
    summary: "Ask an Assets DB how it is, now",
    parameters: [id],
    answers: {
      200: jsonAnswer("It is healthy.", "CheckAnswer", {
        success: true,
        data: { success: true, message: "healthy" },
        health: { status: "healthy", latency_ms: 3.2, checked_at: "2026-11-25T15:50:58.932Z" },
      }),
    },
    errors: ["not_found", "unhealthy", "timeout"],
  },
  queryOperation({
    path: "/assets",
    id: "findAssets",
    tag: TAG.search,
    summary: "Find assets in all Assets DBs",
    description:
      "Every healthy one is asked at once; `sources` says how each took part. In NDJSON `sources` is the last line.",
    parameters: [...queryParameters(query), ndjson],
    examples: { "A tag": { asset_tags: "demo" } },
    answer: {
      schema: "FederatedAnswer",
      example: {
        success: true,
        data: [ASSET_EXAMPLE],
        sources: [{
          asset_registry_id: "lab",
          asset_registry_name: "The lab",
          asset_registry_public_url: "http://localhost:4000",
          status: "ok",
          count: 1,
        }],
      },
      line: ASSET_EXAMPLE,
    },
  }),
];

/** The document of the mode `registry`. */
export function describeRegistry(version: string): JsonObject {
  return describeApi({
    title: "Assets registry",
    description: "Knows the Assets DBs there are, searches them, checks their health.",
    version,
    tags: {
      [TAG.entries]: "The list of Assets DBs.",
      [TAG.search]: "One search over all of them.",
      ...SHARED_TAGS,
    },
    schemas: { ...schemas, ...answers },
    operations: [...operations, ...sharedOperations({ mode: "registry", version })],
  });
}
