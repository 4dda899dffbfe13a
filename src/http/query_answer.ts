/** The answer to a query: its query string, and the documents streamed as one JSON envelope or as NDJSON. */
import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import { z } from "zod";
import type { Collection } from "../collection/collection.ts";
import { compileFilter } from "../collection/filter.ts";
import { pickFields } from "../collection/pick_fields.ts";
import type { Match, QueryResult } from "../collection/query.ts";
import { compileSort } from "../collection/sort.ts";
import { validate } from "../validation.ts";
import { readJsonBody } from "./json_body.ts";

const log = getLogger(["assets-server", "http"]);

/** The largest page a client may ask for. */
const MAX_LIMIT = 10_000;

/** Answers are gathered into chunks of about this many characters: many small ones are slow to send. */
const CHUNK_CHARACTERS = 64 * 1024;

/**
 * A page of NDJSON is held until its cursor is known, which goes into a header. So that memory stays bounded, a page that
 * grows beyond this many characters ends early; its cursor leads on.
 */
const MAX_HELD_CHARACTERS = 16 * 1024 * 1024;

const NDJSON = "application/x-ndjson";

const query = z.strictObject({
  limit: z.string().regex(/^\d{1,5}$/, { error: `must be a number from 1 to ${MAX_LIMIT}` }).refine(
    (text) => Number(text) >= 1 && Number(text) <= MAX_LIMIT,
    { error: `must be a number from 1 to ${MAX_LIMIT}` },
  ).optional(),
  cursor: z.string().optional(),
  sort: z.string().optional(),
  fields: z.string().optional(),
  count: z.literal("only", { error: 'can only be "only"' }).optional(),
  include: z.literal("id", { error: 'can only be "id"' }).optional(),
});

/**
 * Answers `POST /assets` and `POST /asset_registries`: the filter is the body, the rest the query string.
 *
 * @param timeoutMs how long the search may work
 */
export async function answerQuery(
  context: Context,
  collection: Collection,
  timeoutMs: number,
): Promise<Response> {
  const options = validate(query, Object.fromEntries(new URL(context.req.url).searchParams));
  const filter = compileFilter(await readJsonBody(context));
  const result = collection.query({
    filter,
    sort: options.sort === undefined ? undefined : compileSort(options.sort),
    limit: options.limit === undefined ? undefined : Number(options.limit),
    cursor: options.cursor,
    timeoutMs,
    signal: context.req.raw.signal,
  });
  if (options.count) return context.json({ success: true, data: [], count: await result.count() });
  const pick = options.fields === undefined ? undefined : pickFields(options.fields);
  const show = ({ id, document }: Match) => {
    const picked = pick ? pick(document) : document;
    return JSON.stringify(options.include ? { id, ...picked } : picked);
  };
  const isPaged = options.limit !== undefined;
  if (acceptsNdjson(context)) {
    return isPaged
      ? await ndjsonPage(context, result, show)
      : await streamed(context, ndjson(result, show), NDJSON);
  }
  return await streamed(context, envelope(result, show, isPaged), "application/json");
}

function acceptsNdjson(context: Context): boolean {
  return (context.req.header("Accept") ?? "").toLowerCase().includes(NDJSON);
}

async function* envelope(
  result: QueryResult,
  show: (match: Match) => string,
  isPaged: boolean,
): AsyncGenerator<string> {
  yield '{"success":true,"data":[';
  let separator = "";
  for await (const match of result.matches) {
    yield separator + show(match);
    separator = ",";
  }
  yield isPaged ? `],"next_cursor":${JSON.stringify(result.nextCursor())}}` : "]}";
}

async function* ndjson(result: QueryResult, show: (match: Match) => string): AsyncGenerator<string> {
  for await (const match of result.matches) yield `${show(match)}\n`;
}

async function ndjsonPage(
  context: Context,
  result: QueryResult,
  show: (match: Match) => string,
): Promise<Response> {
  const lines: string[] = [];
  let held = 0;
  for await (const match of result.matches) {
    const line = `${show(match)}\n`;
    lines.push(line);
    held += line.length;
    if (held > MAX_HELD_CHARACTERS) break;
  }
  const cursor = result.nextCursor();
  return context.body(lines.join(""), 200, {
    "Content-Type": NDJSON,
    ...(cursor === null ? {} : { "X-Next-Cursor": cursor }),
  });
}

/**
 * Sends text as it comes. The first chunk is made before the answer begins, so that what fails early has a status of its own;
 * later the only way to say so is to break the connection off.
 */
async function streamed(
  context: Context,
  pieces: AsyncGenerator<string>,
  contentType: string,
): Promise<Response> {
  const encoder = new TextEncoder();
  let first: string | undefined = await gather(pieces);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const text = first ?? await gather(pieces);
        first = undefined;
        if (text === "") controller.close();
        else controller.enqueue(encoder.encode(text));
      } catch (error) {
        log.warn("An answer broke off: {error}", { error });
        controller.error(error);
      }
    },
    async cancel() {
      await pieces.return(undefined);
    },
  });
  return context.body(body, 200, { "Content-Type": contentType });
}

/** The next chunk; "" at the end. */
async function gather(pieces: AsyncGenerator<string>): Promise<string> {
  let text = "";
  while (text.length < CHUNK_CHARACTERS) {
    const next = await pieces.next();
    if (next.done) break;
    text += next.value;
  }
  return text;
}
