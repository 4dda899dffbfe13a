/** Questions by filter, the same for assets and for the entries of a registry. */
import { asJsonObject, type JsonObject } from "../collection/json.ts";
import { ClientError } from "./client_error.ts";
import type { Connection } from "./connection.ts";
import { linesOf } from "./ndjson.ts";

/** A MongoDB query document. */
export type Filter = JsonObject;

/** What a question asks for beside its filter. */
export interface QueryOptions {
  /** Paths, comma-separated, each with a `-` in front for descending. */
  sort?: string;
  /** Paths to be returned, comma-separated. */
  fields?: string;
  /** Adds the `id` of the creation to each answer. */
  includeId?: boolean;
  signal?: AbortSignal;
}

/** One page of a question. */
export interface PageOptions extends QueryOptions {
  /** 1 to 10000. */
  limit: number;
  /** The `nextCursor` of the page before. */
  cursor?: string;
}

/** The answers on one page. */
export interface Page<T> {
  data: T[];
  /** Leads to the next page; `undefined` on the last. */
  nextCursor?: string;
}

/** Asks for one page. */
export async function queryPage(
  connection: Connection,
  path: string,
  filter: Filter,
  { limit, cursor, signal, ...options }: PageOptions,
): Promise<Page<JsonObject>> {
  const query = { ...queryString(options), limit, cursor };
  const { body } = await connection.json(path, { method: "POST", json: filter, query, signal });
  const { next_cursor } = body;
  return { data: listOf(body), nextCursor: typeof next_cursor === "string" ? next_cursor : undefined };
}

/** Asks for everything that matches, as it comes. Leaving the loop ends the request. */
export async function* queryStream(
  connection: Connection,
  path: string,
  filter: Filter,
  { signal, ...options }: QueryOptions,
): AsyncGenerator<JsonObject, void, undefined> {
  const response = await connection.send(path, {
    method: "POST",
    json: filter,
    query: queryString(options),
    headers: { Accept: "application/x-ndjson" },
    signal,
  });
  if (!response.body) return;
  const lines = linesOf(response.body);
  try {
    while (true) {
      const next = await connection.read(() => lines.next(), signal);
      if (next.done) return;
      if (next.value !== "") yield connection.parse(next.value, response);
    }
  } finally {
    await lines.return().catch(() => {});
  }
}

/** How many match. */
export async function queryCount(
  connection: Connection,
  path: string,
  filter: Filter,
  signal?: AbortSignal,
): Promise<number> {
  const { body } = await connection.json(path, {
    method: "POST",
    json: filter,
    query: { count: "only" },
    signal,
  });
  if (typeof body.count === "number") return body.count;
  throw new ClientError("The server did not say how many match.", { status: 200, code: "bad_answer" });
}

/** The objects in the `data` of an answer. */
export function listOf(body: JsonObject): JsonObject[] {
  return Array.isArray(body.data) ? body.data.map(asJsonObject) : [];
}

/** The options that go into the query string. */
export function queryString(
  { sort, fields, includeId }: Omit<QueryOptions, "signal">,
): Record<string, string | undefined> {
  return { sort, fields, include: includeId ? "id" : undefined };
}
