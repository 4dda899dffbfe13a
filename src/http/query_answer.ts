/** The answer to a query: its query string, and the documents streamed as one JSON envelope or as NDJSON. */
import type { Context } from "hono";
import { z } from "zod";
import type { Collection } from "../collection/collection.ts";
import { compileFilter } from "../collection/filter.ts";
import type { JsonObject } from "../collection/json.ts";
import { pickFields } from "../collection/pick_fields.ts";
import { compileSort, type Sort } from "../collection/sort.ts";
import { ServiceError } from "../errors.ts";
import { readJsonBody } from "./json_body.ts";
import { readQueryString } from "./query_string.ts";
import { sendJson, sendText } from "./send.ts";
import { streamText } from "./text_stream.ts";

/** The largest page a client may ask for: whoever wants more leaves `limit` out, and has all of it streamed. */
const MAX_LIMIT = 10_000;

/**
 * A page of NDJSON is held until its cursor is known, which goes into a header. So that memory stays bounded, a page that
 * grows beyond this many characters ends early; its cursor leads on.
 */
const MAX_HELD_CHARACTERS = 16 * 1024 * 1024;

const NDJSON = "application/x-ndjson";

const LIMIT_RULE = `must be a number from 1 to ${MAX_LIMIT}`;

/** What the query string of every query may hold. */
const queryString = {
  limit: z.string().refine(
    (text) => /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_LIMIT,
    { error: LIMIT_RULE },
  ).optional().meta({
    description: `The size of a page, 1 to ${MAX_LIMIT}; without it every match is sent.`,
  }),
  cursor: z.string().optional().meta({ description: "The `next_cursor` of the page before." }),
  sort: z.string().optional().meta({
    description: "Paths to sort by, separated by commas; `-` in front turns one around. Else oldest first.",
    examples: ["asset_name,-asset_file_info.file_size"],
  }),
  fields: z.string().optional().meta({
    description: "Paths to send, separated by commas; else the whole document.",
    examples: ["asset_name,asset_version.tag"],
  }),
  count: z.literal("only", { error: 'can only be "only"' }).optional()
    .meta({ description: "Sends the number of matches instead of them." }),
  include: z.string().optional().meta({
    description: "What each is to have beside its fields, such as `id`.",
  }),
  explain: z.enum(["true", "false"], { error: "can only be true or false" }).optional()
    .meta({ description: "Also says how the answer was found." }),
};

/** The query string of `POST /assets`. */
export const query = z.strictObject(queryString);

/** The query string of `POST /asset_registries`. */
export const queryWithHealth = z.strictObject({
  ...queryString,
  health: z.enum(["healthy", "unhealthy", "unknown"], { error: "must be healthy, unhealthy or unknown" })
    .optional().meta({ description: "Keeps only those with this health." }),
});

/** The query string of a query, read. */
export interface QueryOptions {
  /** Without it: all. */
  limit?: number;
  cursor?: string;
  /** Without it: oldest first. */
  sort?: Sort;
  /** The paths to give, as the client wrote them; without it: the whole document. */
  fields?: string;
  /** Keeps what `fields` names; without it: the whole document. */
  pick?: (document: JsonObject) => JsonObject;
  isCountOnly: boolean;
  /** The answer is to say how it was found. */
  explains: boolean;
  /** What each document is to have beside its own fields. */
  include: ReadonlySet<string>;
  /** Only what has this health; where that is known. */
  health?: "healthy" | "unhealthy" | "unknown";
}

/** An answer to a query under way: documents as JSON texts, and what the envelope holds beside them. */
export interface DocumentStream {
  documents: AsyncIterable<string>;
  /** Where the next page begins, asked at the end of this one: `null` if it was the last. */
  nextCursor(): string | null;
  /** Further keys of the envelope, known at its end. In NDJSON they are a last line of their own. */
  trailer?: () => JsonObject;
  /** The same, but not in NDJSON. */
  explain?: () => JsonObject;
}

/**
 * Reads the query string of a query.
 *
 * @param includes what `include` may name
 * @throws {ServiceError} `invalid_request`
 */
export function readQueryOptions(
  context: Context,
  { includes, hasHealth = false }: { includes: readonly string[]; hasHealth?: boolean },
): QueryOptions {
  const options: z.infer<typeof queryWithHealth> = readQueryString(
    context,
    hasHealth ? queryWithHealth : query,
  );
  const { limit, cursor, sort, fields, count, include, health, explain } = options;
  return {
    limit: limit === undefined ? undefined : Number(limit),
    cursor,
    sort: sort === undefined ? undefined : compileSort(sort),
    fields,
    pick: fields === undefined ? undefined : pickFields(fields),
    isCountOnly: count !== undefined,
    explains: explain === "true",
    include: readInclude(include, includes),
    health,
  };
}

function readInclude(text: string | undefined, allowed: readonly string[]): Set<string> {
  const named = new Set(text?.split(","));
  for (const one of named) {
    if (allowed.includes(one)) continue;
    const message = `can only be ${allowed.map((name) => JSON.stringify(name)).join(" or ")}`;
    throw new ServiceError("invalid_request", `include ${message}.`, {
      details: [{ path: "include", message }],
    });
  }
  return named;
}

/**
 * Answers `POST /assets` of an Assets DB: the filter is the body, the rest the query string.
 *
 * @param timeoutMs how long the search may work
 */
export async function answerQuery(
  context: Context,
  collection: Collection,
  timeoutMs: number,
): Promise<Response> {
  const options = readQueryOptions(context, { includes: ["id"] });
  const { limit, sort, cursor, pick, include, explains } = options;
  const filter = compileFilter(await readJsonBody(context));
  const signal = context.req.raw.signal;
  const result = collection.query({ filter, sort, limit, cursor, timeoutMs, signal });
  const explain = (): JsonObject => explains ? { explain: { ...result.explain() } } : {};
  if (options.isCountOnly) {
    const count = await result.count();
    return sendCount(context, count, explain());
  }
  async function* documents() {
    for await (const match of result.matches) {
      // What the view has is sent as it is.
      const shown = pick ? JSON.stringify(pick(match.document)) : match.text;
      yield include.has("id") ? withId(match.id, shown) : shown;
    }
  }
  return await sendDocuments(
    context,
    { documents: documents(), nextCursor: () => result.nextCursor(), explain },
    options,
  );
}

/** Puts the id in front of the fields of an object that is JSON already. */
function withId(id: string, text: string): string {
  return `{"id":${JSON.stringify(id)}${text === "{}" ? "" : ","}${text.slice(1)}`;
}

/** Answers `count=only`. */
export function sendCount(context: Context, count: number, more: JsonObject = {}): Response {
  return sendJson(context, { success: true, data: [], count, ...more });
}

/** Sends documents as they come: one envelope, or one document a line if the client asked for NDJSON. */
export async function sendDocuments(
  context: Context,
  stream: DocumentStream,
  { limit }: Pick<QueryOptions, "limit">,
): Promise<Response> {
  const isPaged = limit !== undefined;
  if (acceptsNdjson(context)) {
    return isPaged ? await ndjsonPage(context, stream) : await streamText(context, ndjson(stream), NDJSON);
  }
  return await streamText(context, envelope(stream, isPaged), "application/json");
}

/** Whether NDJSON is asked for by its name: with a quality of 0 it is what is not wanted (RFC 9110 §12.4.2). */
function acceptsNdjson(context: Context): boolean {
  return (context.req.header("Accept") ?? "").toLowerCase().split(",").some((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim());
    return type === NDJSON && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}

async function* envelope(stream: DocumentStream, isPaged: boolean): AsyncGenerator<string> {
  yield '{"success":true,"data":[';
  let separator = "";
  for await (const document of stream.documents) {
    yield separator + document;
    separator = ",";
  }
  const end = {
    ...isPaged ? { next_cursor: stream.nextCursor() } : {},
    ...stream.trailer?.(),
    ...stream.explain?.(),
  };
  yield `]${Object.entries(end).map(([key, value]) => `,"${key}":${JSON.stringify(value)}`).join("")}}`;
}

async function* ndjson(stream: DocumentStream): AsyncGenerator<string> {
  for await (const document of stream.documents) yield `${document}\n`;
  if (stream.trailer) yield `${JSON.stringify(stream.trailer())}\n`;
}

async function ndjsonPage(context: Context, stream: DocumentStream): Promise<Response> {
  const lines: string[] = [];
  let held = 0;
  for await (const document of stream.documents) {
    lines.push(`${document}\n`);
    held += document.length;
    if (held > MAX_HELD_CHARACTERS) break;
  }
  const cursor = stream.nextCursor();
  if (stream.trailer) lines.push(`${JSON.stringify({ next_cursor: cursor, ...stream.trailer() })}\n`);
  return sendText(context, lines.join(""), 200, {
    "Content-Type": NDJSON,
    ...(cursor === null ? {} : { "X-Next-Cursor": cursor }),
  });
}
