/** Questions by filter, the same for assets and for the entries of a registry. */
import { asJsonObject, type Json, type JsonObject } from "../collection/json.ts";
import { ClientError } from "./client_error.ts";
import type { Connection } from "./connection.ts";
import { linesOf } from "./ndjson.ts";
import { textOf } from "./reading.ts";

/** A MongoDB query document. */
export type Filter = JsonObject;

/** What one Assets DB gave to a federated search. */
export interface SearchSource {
  asset_registry_id: string;
  asset_registry_name: string;
  asset_registry_public_url: string;
  status: "ok" | "error" | "timeout" | "skipped";
  /** How many assets of the answer are its. */
  count: number;
  error?: string;
}

/** What a question asks for beside its filter. */
export interface QueryOptions {
  /** Paths, comma-separated, each with a `-` in front for descending. */
  sort?: string;
  /** Paths to be returned, comma-separated. */
  fields?: string;
  /** Adds the `id` of the creation to each answer. */
  includeId?: boolean;
  /** Told at the end what each Assets DB gave, if it is a registry that answers. */
  onSources?: (sources: SearchSource[]) => void;
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
  { limit, cursor, signal, onSources, ...options }: PageOptions,
): Promise<Page<JsonObject>> {
  const query = { ...queryString(options), limit, cursor };
  const { body } = await connection.json(path, { method: "POST", json: filter, query, signal });
  const { next_cursor, sources } = body;
  if (Array.isArray(sources)) onSources?.(sources.map(readSource));
  return { data: listOf(body), nextCursor: typeof next_cursor === "string" ? next_cursor : undefined };
}

/** Asks for everything that matches, as it comes. Leaving the loop ends the request. */
export async function* queryStream(
  connection: Connection,
  path: string,
  filter: Filter,
  { signal, onSources, ...options }: QueryOptions,
): AsyncGenerator<JsonObject, void, undefined> {
  const response = await connection.send(path, {
    method: "POST",
    json: filter,
    query: queryString(options),
    headers: { Accept: "application/x-ndjson" },
    signal,
  });
  if (!response.body) return;
  if (isJson(response)) {
    // AIOSv1's Python services know one form of answer.
    const text = await connection.read(() => response.text(), signal);
    yield* listOf(connection.parse(text, response));
    return;
  }
  const lines = linesOf(response.body);
  try {
    while (true) {
      const next = await connection.read(() => lines.next(), signal);
      if (next.done) return;
      if (next.value === "") continue;
      const document = connection.parse(next.value, response);
      // The last line of a registry: no document has a field of that name.
      if (Array.isArray(document.sources)) onSources?.(document.sources.map(readSource));
      else yield document;
    }
  } finally {
    await lines.return().catch(() => {});
  }
}

function isJson({ headers }: Response): boolean {
  return /^application\/json\b/.test(headers.get("Content-Type") ?? "");
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

const SOURCE_STATES = ["ok", "error", "timeout", "skipped"] as const;

function readSource(json: Json): SearchSource {
  const source = asJsonObject(json);
  return {
    asset_registry_id: textOf(source.asset_registry_id),
    asset_registry_name: textOf(source.asset_registry_name),
    asset_registry_public_url: textOf(source.asset_registry_public_url),
    status: SOURCE_STATES.find((state) => state === source.status) ?? "error",
    count: typeof source.count === "number" ? source.count : 0,
    error: textOf(source.error) || undefined,
  };
}

/** The options that go into the query string. */
export function queryString(
  { sort, fields, includeId }: Pick<QueryOptions, "sort" | "fields" | "includeId">,
): Record<string, string | undefined> {
  return { sort, fields, include: includeId ? "id" : undefined };
}
