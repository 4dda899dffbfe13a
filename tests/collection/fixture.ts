/** A collection on a KV in memory. */
import { Collection, type CollectionOptions } from "../../src/collection/collection.ts";
import { compileFilter } from "../../src/collection/filter.ts";
import type { Json, JsonObject } from "../../src/collection/json.ts";
import type { QueryRequest } from "../../src/collection/query.ts";
import { compileSort } from "../../src/collection/sort.ts";

/** A collection under test and the KV it stands on. Dispose of it with `await using`. */
export interface TestCollection extends AsyncDisposable {
  kv: Deno.Kv;
  things: Collection;
}

/** Opens a collection whose documents have a unique `name`, where they have one. */
export async function openCollection(options: Partial<CollectionOptions> = {}): Promise<TestCollection> {
  const kv = await Deno.openKv(":memory:");
  const folder = await Deno.makeTempDir({ prefix: "assets-server-test-" });
  const things = new Collection({
    kv,
    name: "things",
    uniqueOf: ({ name }) => typeof name === "string" ? [{ field: "name", value: name }] : [],
    maxDocumentBytes: 256 * 1024,
    viewPath: `${folder}/things.view.sqlite`,
    ...options,
  });
  await things.view.ready(5000);
  return {
    kv,
    things,
    async [Symbol.asyncDispose]() {
      await things.close();
      kv.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Ids that sort as they were made. */
export function idOf(n: number): string {
  return `id-${String(n).padStart(6, "0")}`;
}

/** A request for everything that matches. */
export function ask(
  filter: JsonObject,
  more: Partial<QueryRequest> & { sortBy?: string } = {},
): QueryRequest {
  const { sortBy, ...rest } = more;
  const sort = sortBy === undefined ? undefined : compileSort(sortBy);
  return { filter: compileFilter(filter), timeoutMs: 30_000, sort, ...rest };
}

/** One value of every document of an answer, and the cursor behind it. */
export async function take(things: Collection, request: QueryRequest, field: string) {
  const result = things.query(request);
  const values: Json[] = [];
  for await (const { document } of result.matches) values.push(document[field] ?? null);
  return { values, cursor: result.nextCursor() ?? undefined };
}

/** Every key below a prefix. */
export async function keys(kv: Deno.Kv, prefix: Deno.KvKey): Promise<Deno.KvKey[]> {
  const found: Deno.KvKey[] = [];
  for await (const { key } of kv.list({ prefix })) found.push(key);
  return found;
}
