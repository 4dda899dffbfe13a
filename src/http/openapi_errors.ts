/** What an API description says of errors: when each code comes, and how it looks. */
import { z } from "zod";
import type { JsonObject } from "../collection/json.ts";
import type { ErrorCode } from "../errors.ts";
import { statusOf } from "./envelope.ts";
import { type JsonSchema, schemaRef } from "./openapi_schema.ts";

/** An example of an error, and what it means. */
interface ErrorExample {
  summary: string;
  message: string;
  details?: JsonObject | JsonObject[];
}

const EXAMPLES: Record<ErrorCode, ErrorExample> = {
  invalid_request: {
    summary: "Something that was sent is missing, malformed or not allowed",
    message: "asset_name is required.",
    details: [{ path: "asset_name", message: "is required" }],
  },
  invalid_json: {
    summary: "The body is no JSON",
    message: "The body is not valid JSON: Unexpected end of JSON input.",
  },
  invalid_filter: {
    summary: "The filter is no MongoDB query, or uses what is refused here",
    message: "$where is not allowed here.",
  },
  checksum_mismatch: {
    summary: "The bytes are not those that the client stated",
    message: "The file's SHA-256 is not the one that was stated.",
  },
  unauthenticated: {
    summary: "A token is needed, or this one is not known",
    message: "This needs a bearer token in the Authorization header.",
  },
  forbidden: {
    summary: "This token, or the page of this origin, may not do that",
    message: "This token may read; changing something needs a write token.",
  },
  not_found: { summary: "There is no such thing", message: "There is no asset missing:1.0-initial." },
  route_not_found: { summary: "There is no such route", message: "There is no /nothing here." },
  method_not_allowed: {
    summary: "The route does not know the method",
    message: "PATCH is not allowed here; allowed: GET, HEAD, OPTIONS.",
  },
  already_exists: {
    summary: "The URI or the id is taken",
    message: "There is already an asset greeting:1.0-initial.",
  },
  not_owner: {
    summary: "Another Assets DB holds the asset",
    message: "The asset belongs to the Assets DB 0198c0de.",
  },
  offset_mismatch: { summary: "The upload is somewhere else", message: "Upload-Offset conflict." },
  locked: { summary: "Another request writes to this upload", message: "Another request has this upload." },
  precondition_failed: {
    summary: "What was to be changed has changed meanwhile",
    message: "The entity tag is not the current one (If-Match).",
  },
  too_large: {
    summary: "It is larger than allowed",
    message: "The body is larger than 1048576 bytes, the limit for JSON.",
  },
  unsupported_media_type: {
    summary: "The body has the wrong Content-Type",
    message: "The body must be JSON (Content-Type: application/json), not text/plain.",
  },
  range_not_satisfiable: {
    summary: "The range begins behind the end of the file",
    message: "The file has 6 bytes; the range begins behind its end.",
  },
  too_many_requests: {
    summary: "More requests than --rate-limit allows",
    message: "That were too many requests; the next one may come in 1 s (--rate-limit).",
  },
  internal: {
    summary: "A fault of the server",
    message: "Something went wrong on the server; its log has the details.",
  },
  storage_error: { summary: "The object store failed", message: "The object store did not take the file." },
  unhealthy: {
    summary: "The Assets DB is not healthy",
    message: "http://127.0.0.1:4000/health could not be reached: connection refused.",
  },
  unavailable: {
    summary: "Something that the server stands on does not answer",
    message: "The KV does not answer.",
  },
  timeout: { summary: "It took too long", message: "The query took longer than 30 s." },
  out_of_space: { summary: "The disk is full", message: "There is no space left for the file." },
};

/** Every code that an error can have. */
export const ERROR_CODES: readonly ErrorCode[] = Object.keys(EXAMPLES).filter(isErrorCode);

function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(EXAMPLES, text);
}

/** The envelope of every error. */
export const errorEnvelope = z.strictObject({
  success: z.literal(false),
  error: z.string().meta({ description: "A sentence for people." }),
  message: z.string().meta({ description: "The same sentence." }),
  code: z.enum([...ERROR_CODES]).meta({ description: "For programs." }),
  details: z.unknown().optional().meta({
    description: "What more is known. Of a faulty body: every offending field, as `{path, message}`.",
  }),
});

/** Headers that go with a status, beside those of every answer. */
const HEADERS: Partial<Record<number, Record<string, string>>> = {
  401: { "WWW-Authenticate": "`Bearer`" },
  416: { "Content-Range": "`bytes */<size>`" },
  429: { "Retry-After": "Seconds to wait." },
  503: { "Retry-After": "Seconds to wait." },
};

/**
 * The answers for these codes, by status.
 *
 * @param statuses where a route answers a code with another status than all others do
 */
export function errorResponses(
  codes: Iterable<ErrorCode>,
  statuses: Partial<Record<ErrorCode, number>> = {},
): Record<string, JsonObject> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set(codes)) {
    const status = statuses[code] ?? statusOf({ code });
    byStatus.set(status, [...byStatus.get(status) ?? [], code]);
  }
  return Object.fromEntries(
    [...byStatus].sort(([a], [b]) => a - b).map(([status, some]) => [String(status), response(status, some)]),
  );
}

function response(status: number, codes: ErrorCode[]): JsonObject {
  const headers = Object.entries(HEADERS[status] ?? {})
    .map(([name, description]): [string, JsonObject] => [name, { description, schema: { type: "string" } }]);
  return {
    description: codes.map((code) => EXAMPLES[code].summary).join(". ") + ".",
    ...headers.length > 0 && { headers: Object.fromEntries(headers) },
    content: {
      "application/json": {
        schema: withCodes(codes),
        examples: Object.fromEntries(
          codes.map((code) => [code, { summary: EXAMPLES[code].summary, value: exampleOf(code) }]),
        ),
      },
    },
  };
}

function withCodes(codes: ErrorCode[]): JsonSchema {
  return { allOf: [schemaRef("Error"), { properties: { code: { enum: codes } } }] };
}

function exampleOf(code: ErrorCode): JsonObject {
  const { message, details } = EXAMPLES[code];
  return { success: false, error: message, message, code, ...details && { details } };
}
