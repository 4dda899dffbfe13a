/** A federated search answers as one Assets DB would that had all the assets. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { compileFilter } from "../../src/collection/filter.ts";
import { asJsonObject, type Json, type JsonObject } from "../../src/collection/json.ts";
import { compareStrings } from "../../src/collection/order.ts";
import { compileSort } from "../../src/collection/sort.ts";
import { assertStatus, listAt, query, textAt } from "./client.ts";
import { add, allPages, federate, search, startRegistry } from "./federation_fixture.ts";
import { startTestServer, type TestServer } from "./harness.ts";

const scalar: fc.Arbitrary<Json> = fc.constantFrom<Json>(
  null,
  true,
  false,
  0,
  1,
  2.5,
  -3,
  "",
  "a",
  "B",
  "😀",
  "\uFFFD",
);
const value: fc.Arbitrary<Json> = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }),
  fc.record({ x: scalar }, { requiredKeys: [] }),
  fc.array(fc.oneof(scalar, fc.record({ x: scalar })), { maxLength: 3 }),
);
const metadata = fc.record({ a: value, b: value }, { requiredKeys: [] });
const sortKey = fc.tuple(
  fc.constantFrom("", "-"),
  fc.constantFrom(
    "asset_metadata.a",
    "asset_metadata.b",
    "asset_metadata.a.x",
    "asset_metadata.b.0",
    "asset_tags",
    "asset_name",
  ),
);
const sort = fc.uniqueArray(sortKey, { minLength: 1, maxLength: 3, selector: ([, path]) => path })
  .map((keys) => keys.map((key) => key.join("")).join(","));
const filter: fc.Arbitrary<JsonObject> = fc.oneof(
  fc.constant({}),
  scalar.map((a): JsonObject => ({ "asset_metadata.a": a })),
  fc.constantFrom<Json>(0, "a").map((a): JsonObject => ({ "asset_metadata.b": { $gt: a } })),
  fc.constant<JsonObject>({ asset_tags: "t1" }),
);
const fields = fc.constantFrom("", "asset_name", "asset_metadata.a", "asset_metadata.a.x,asset_tags");

Deno.test("A search through pages gives what a sort of the union gives, whatever the filter, sort, limit and fields", async () => {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(await startRegistry());
  const servers: TestServer[] = [];
  for (let n = 0; n < 4; n++) servers.push(stack.use(await startTestServer()));
  for (const [n, asset_metadata] of fc.sample(metadata, { numRuns: 120, seed: 7 }).entries()) {
    const server = servers[(n * n) % servers.length] ?? servers[0];
    if (server) {
      await add(server, `name-${n % 50}`, {
        asset_metadata: { ...asset_metadata },
        asset_tags: [`t${n % 3}`],
      });
    }
  }
  await federate(registry, servers);
  const union: JsonObject[] = [];
  for (const server of servers) {
    const { body } = assertStatus(await query(server, {}, "?include=id"), 200);
    union.push(...listAt(body, "data").map(asJsonObject));
  }
  const property = fc.asyncProperty(
    filter,
    fc.option(sort, { nil: undefined }),
    fc.integer({ min: 5, max: 60 }),
    fields,
    async (filter, sort, limit, fields) => {
      const expected = inOrder(union, filter, sort);
      const sorted = sort === undefined ? "" : `&sort=${encodeURIComponent(sort)}`;
      const picked = fields === "" ? "" : `&fields=${fields}`;
      const all = await allPages(registry, filter, { limit, query: `&include=id${sorted}${picked}` });
      assertEquals(all.map((asset) => textAt(asset, "id")), expected);
      const whole = await search(registry, filter, `?include=id${sorted}${picked}`);
      assertEquals(whole.body.data, all);
      const counted = await search(registry, filter, `?count=only${sorted}`);
      assertEquals(counted.body.count, expected.length);
      if (picked !== "") {
        const [asset] = all.map(asJsonObject);
        const own = asset &&
          await Promise.all(servers.map((server) => query(server, {}, `?include=id${picked}`)));
        const same = own?.flatMap(({ body }) => listAt(body, "data")).find((one) =>
          textAt(one, "id") === asset?.id
        );
        assertEquals(asset, same);
      }
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

/** The ids of what matches, as one Assets DB would order them. */
function inOrder(union: JsonObject[], filter: JsonObject, sort: string | undefined): string[] {
  const { test } = compileFilter(filter);
  const order = sort === undefined ? undefined : compileSort(sort);
  return union
    .filter(({ id: _, ...asset }) => test(asset))
    .map(({ id, ...asset }) => ({ id: String(id), keys: order?.keysOf(asset) ?? [] }))
    .sort((a, b) => (order?.compare(a.keys, b.keys) ?? 0) || compareStrings(a.id, b.id))
    .map(({ id }) => id);
}
