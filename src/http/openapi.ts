/**
 * The description of an API (OpenAPI 3.1), made of a table of its routes: what each takes, what it answers, which errors it
 * knows. What all routes have in common is added here.
 */
import type { ZodType } from "zod";
import type { Json, JsonObject } from "../collection/json.ts";
import type { ErrorCode } from "../errors.ts";
import type { Access } from "./app.ts";
import { errorEnvelope, errorResponses } from "./openapi_errors.ts";
import { componentSchemas, type JsonSchema, schemaRef } from "./openapi_schema.ts";

/** The version of the specification that the document keeps to. */
const OPENAPI_VERSION = "3.1.1";

/** What one method of one path does. */
export interface Operation {
  method: "get" | "head" | "post" | "put" | "patch" | "delete";
  /** With parameters in braces, such as `/asset/{uri}`. */
  path: string;
  /** A name for generated clients. */
  id: string;
  tag: string;
  summary: string;
  description?: string;
  access: Access;
  parameters?: JsonObject[];
  body?: JsonObject;
  /** By status, what is no error. */
  answers: Record<number, JsonObject>;
  /** Beside those that every route knows. */
  errors?: readonly ErrorCode[];
  /** Where it answers a code with another status than others do. */
  errorStatuses?: Partial<Record<ErrorCode, number>>;
}

/** An API: its name, its parts, its routes. */
export interface Api {
  title: string;
  description: string;
  version: string;
  /** The sections, in their order. */
  tags: Record<string, string>;
  /** Goes to `components.schemas`. */
  schemas: Record<string, ZodType>;
  operations: Operation[];
}

/** The errors of every route that takes JSON. */
export const JSON_BODY_ERRORS: readonly ErrorCode[] = [
  "invalid_json",
  "too_large",
  "unsupported_media_type",
  "timeout",
];

/** The document that `GET /openapi.json` serves. */
export function describeApi({ title, description, version, tags, schemas, operations }: Api): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: describe(operation) };
  }
  return {
    openapi: OPENAPI_VERSION,
    info: { title, description, version, license: { name: "MIT", identifier: "MIT" } },
    // Relative to the document, so that it holds behind any proxy.
    servers: [{ url: "./" }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: componentSchemas({ Error: errorEnvelope, ...schemas }),
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "A read or a write token, if the server was given any.",
        },
      },
    },
  };
}

function describe(operation: Operation): JsonObject {
  const { id, tag, summary, description, access, parameters = [], body, answers } = operation;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...description !== undefined && { description },
    security: access === "open" ? [] : [{}, { bearer: [] }],
    ...parameters.length > 0 && { parameters },
    ...body && { requestBody: body },
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [status, withRequestId(answer)]),
      ),
      ...Object.fromEntries(
        Object.entries(errorResponses(errorsOf(operation), operation.errorStatuses))
          .map(([status, answer]) => {
            const known = answers[Number(status)];
            return [status, withRequestId(known ? eitherOf(known, answer) : answer)];
          }),
      ),
    },
  };
}

/** What every route of this access may answer, and its own errors. */
function errorsOf({ access, errors = [] }: Operation): ErrorCode[] {
  const common: ErrorCode[] = ["invalid_request", "too_many_requests", "internal"];
  if (access !== "open") common.push("unauthenticated", "forbidden", "unavailable");
  return [...errors, ...common];
}

/** An answer that is an error in one case and none in another, such as a 503 of `/health`. */
function eitherOf(answer: JsonObject, error: JsonObject): JsonObject {
  const [one, other] = [answer, error].map((response) => schemaOfJson(response));
  return {
    ...answer,
    description: `${answer.description} Or: ${error.description}`,
    content: { "application/json": { schema: { anyOf: [one ?? {}, other ?? {}] } } },
  };
}

function schemaOfJson({ content }: JsonObject): JsonSchema | undefined {
  const media = objectAt(content, "application/json");
  return objectAt(media, "schema");
}

function objectAt(value: Json | undefined, key: string): JsonObject | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const found = value[key];
  return typeof found === "object" && found !== null && !Array.isArray(found) ? found : undefined;
}

function withRequestId(answer: JsonObject): JsonObject {
  const id = { description: "The client's own, if it sent a sane one.", schema: { type: "string" } };
  return { ...answer, headers: { ...objectAt(answer, "headers"), "X-Request-Id": id } };
}

/** An answer in JSON. */
export function jsonAnswer(
  description: string,
  schema: string | JsonSchema,
  example: JsonObject | Record<string, JsonObject>,
  headers: Record<string, string> = {},
): JsonObject {
  return {
    description,
    ...headersOf(headers),
    content: {
      "application/json": { schema: typeof schema === "string" ? schemaRef(schema) : schema, example },
    },
  };
}

/** An answer without a body. */
export function emptyAnswer(description: string, headers: Record<string, string> = {}): JsonObject {
  return { description, ...headersOf(headers) };
}

function headersOf(headers: Record<string, string>): { headers?: JsonObject } {
  const described = Object.entries(headers).map((
    [name, description],
  ): [string, JsonObject] => [name, { description, schema: { type: "string" } }]);
  return described.length === 0 ? {} : { headers: Object.fromEntries(described) };
}

/** A body in JSON that must be there. */
export function jsonBody(schema: string, examples: Record<string, JsonObject>): JsonObject {
  return {
    required: true,
    content: {
      "application/json": {
        schema: schemaRef(schema),
        examples: Object.fromEntries(
          Object.entries(examples).map(([summary, value]) => [
            summary.replaceAll(/[^A-Za-z0-9]+/g, "_"),
            { summary, value },
          ]),
        ),
      },
    },
  };
}

/** A parameter in the path. */
export function pathParameter(name: string, description: string, example: string): JsonObject {
  return { name, in: "path", required: true, description, schema: { type: "string" }, example };
}

/** The parameters of a query string, which may all be left out. */
export function queryParameters(schema: ZodType): JsonObject[] {
  const properties = objectAt(componentSchemas({ query: schema }).query, "properties") ?? {};
  return Object.keys(properties).map((name) => {
    const { description = "", examples = [], ...rest } = objectAt(properties, name) ?? {};
    const example = Array.isArray(examples) ? examples[0] : undefined;
    return { name, in: "query", description, schema: rest, ...example !== undefined && { example } };
  });
}

/** A request header that may be left out. */
export function headerParameter(name: string, description: string, example?: string): JsonObject {
  return {
    name,
    in: "header",
    description,
    schema: { type: "string" },
    ...example !== undefined && { example },
  };
}
