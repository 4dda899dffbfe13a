/** The query string of `POST /assets`: pages, order, fields, counts, NDJSON. */
import { assert, assertEquals } from "@std/assert";
import type { Json, JsonObject } from "../../src/collection/json.ts";
import {
  assertAsset,
  assertStatus,
  at,
  created,
  deleteAsset,
  keysOf,
  listAt,
  namesOf,
  putAsset,
  query,
  send,
  textAt,
} from "./client.ts";
import type { TestServer } from "./harness.ts";
import { registerFor, type Suite } from "./suite.ts";

async function createNumbered(server: TestServer, prefix: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  // In order, since the default order is by age.
  for (let n = 0; n < count; n++) {
    const asset_name = `${prefix}${String(n).padStart(4, "0")}`;
    ids.push((await created(server, { asset_name, asset_metadata: { group: n % 3, even: n % 2 === 0 } })).id);
  }
  return ids;
}

/** Makes many, in one request. */
async function createAtOnce(server: TestServer, documents: JsonObject[]): Promise<void> {
  const body = documents.map((document) => JSON.stringify(document)).join("\n");
  const headers = { "Content-Type": "application/x-ndjson" };
  const { text } = assertStatus(await send(server, "/assets/bulk", { method: "POST", body, headers }), 200);
  const answers = text.trimEnd().split("\n").map((line) => JSON.parse(line).success);
  assertEquals(answers, documents.map(() => true));
}

/** Names of all pages; `between` runs after each. */
async function allPages(
  server: TestServer,
  search: string,
  between: (page: number) => Promise<void> = async () => {},
): Promise<string[]> {
  const names: string[] = [];
  let cursor: Json | undefined = "";
  for (let page = 0; cursor !== null; page++) {
    const answer = await query(
      server,
      {},
      `${search}${cursor === "" ? "" : `&cursor=${encodeURIComponent(String(cursor))}`}`,
    );
    assertStatus(answer, 200);
    assertEquals(keysOf(answer.body), ["data", "next_cursor", "success"]);
    names.push(...listAt(answer.body, "data").map((asset) => textAt(asset, "asset_name")));
    cursor = answer.body.next_cursor;
    assert(page < 1000, "the pages do not end");
    await between(page);
  }
  return names;
}

export function pagingTests(suite: Suite): void {
  const test = registerFor(suite);

  test("Without limit every match comes back, oldest first, and there is no next_cursor", async (server) => {
    await createNumbered(server, "n", 30);
    const answer = assertStatus(await query(server, {}), 200);
    assertEquals(keysOf(answer.body), ["data", "success"]);
    const assets = listAt(answer.body, "data");
    assets.forEach((asset) => assertAsset(asset));
    const names = assets.map((asset) => textAt(asset, "asset_name"));
    assertEquals(names, Array.from({ length: 30 }, (_, n) => `n${String(n).padStart(4, "0")}`));
  });

  test("With limit the pages are complete and in order, and the last has next_cursor null", async (server) => {
    await createNumbered(server, "n", 10);
    const whole = await namesOf(server, {});
    for (const limit of [1, 3, 5, 10, 11, 10000]) {
      assertEquals(await allPages(server, `?limit=${limit}`), whole, `limit ${limit}`);
    }
    const first = await query(server, { "asset_metadata.group": 1 }, "?limit=2");
    assertEquals(listAt(first.body, "data").map((asset) => textAt(asset, "asset_name")), ["n0001", "n0004"]);
    const cursor = encodeURIComponent(textAt(first.body, "next_cursor"));
    const second = await query(server, { "asset_metadata.group": 1 }, `?limit=2&cursor=${cursor}`);
    assertEquals(listAt(second.body, "data").map((asset) => textAt(asset, "asset_name")), ["n0007"]);
    assertEquals(second.body.next_cursor, null);
    const none = await query(server, { asset_name: "nobody" }, "?limit=2");
    assertEquals(none.body, { success: true, data: [], next_cursor: null });
  });

  for (const sort of ["", "&sort=asset_metadata.group", "&sort=-asset_metadata.even,asset_name"]) {
    test(`Pages are complete and without doubles while others write (limit=7${sort})`, async (server) => {
      const ids = await createNumbered(server, "old", 80);
      const removed = new Set<string>();
      let extra = 0;
      const names = await allPages(server, `?limit=7${sort}`, async (page) => {
        await created(server, {
          asset_name: `new${extra++}`,
          asset_metadata: { group: page % 4, even: true },
        });
        const victim = (page * 17 + 3) % 80;
        const id = ids[victim] ?? "";
        if (!removed.has(`old${String(victim).padStart(4, "0")}`)) {
          removed.add(`old${String(victim).padStart(4, "0")}`);
          assertStatus(await deleteAsset(server, id), 200);
        }
        // A change that has no part in the order moves nothing.
        const other = ids[(page * 17 + 4) % 80] ?? "";
        await putAsset(server, other, { asset_tags: [`page${page}`] });
      });
      assertEquals(names.length, new Set(names).size, "doubles");
      const survivors = ids.map((_, n) => `old${String(n).padStart(4, "0")}`).filter((name) =>
        !removed.has(name)
      );
      assertEquals(survivors.filter((name) => !names.includes(name)), []);
      assert(removed.size >= 10, "nothing was removed meanwhile");
    });
  }

  test("sort orders by several keys, descending with a dash, ties by age", async (server) => {
    const rows = [["p", 2], ["q", 1], ["r", 2], ["s", 1], ["t", 2]] as const;
    for (const [asset_name, rank] of rows) await created(server, { asset_name, asset_metadata: { rank } });
    const sorted = async (sort: string) => (await namesOf(server, {}, `?sort=${sort}`)).join("");
    assertEquals(await sorted("asset_name"), "pqrst");
    assertEquals(await sorted("-asset_name"), "tsrqp");
    assertEquals(await sorted("asset_metadata.rank"), "qsprt");
    assertEquals(await sorted("-asset_metadata.rank"), "prtqs");
    assertEquals(await sorted("asset_metadata.rank,-asset_name"), "sqtrp");
    assertEquals(await sorted("nothing.here"), "pqrst");
    assertEquals((await allPages(server, "?limit=2&sort=-asset_metadata.rank")).join(""), "prtqs");
  });

  test("sort orders mixed types as BSON does, strings by code point, missing as null", async (server) => {
    const values: [string, Json | undefined][] = [
      ["true", true],
      ["array", [7]],
      ["object", { a: 1 }],
      ["robot", "🤖"],
      ["ufb01", "ﬁ"],
      ["text", "a"],
      ["upper", "B"],
      ["ten", 10],
      ["null", null],
      ["two", 2.5],
      ["missing", undefined],
      ["false", false],
      ["empty", ""],
    ];
    for (const [asset_name, v] of values) await created(server, { asset_name, asset_metadata: { v } });
    const ascending = [
      "null",
      "missing",
      "two",
      "array",
      "ten",
      "empty",
      "upper",
      "text",
      "ufb01",
      "robot",
      "object",
      "false",
      "true",
    ];
    assertEquals(await namesOf(server, {}, "?sort=asset_metadata.v"), ascending);
    assertEquals(await allPages(server, "?limit=2&sort=asset_metadata.v"), ascending);
    const descending = [...ascending.slice(2).reverse(), "null", "missing"];
    assertEquals(await namesOf(server, {}, "?sort=-asset_metadata.v"), descending);
    assertEquals(await allPages(server, "?limit=3&sort=-asset_metadata.v"), descending);
  });

  test("fields gives the paths asked for, keeps their nesting, and leaves out what is missing", async (server) => {
    await created(server, {
      asset_name: "A",
      asset_version: { version: "1", tag: "t" },
      asset_metadata: { a: { b: 1, c: 2 }, list: [{ x: 1, y: 2 }, { y: 3 }], other: true },
    });
    const shown = async (fields: string, more = "") =>
      listAt((await query(server, {}, `?fields=${fields}${more}`)).body, "data")[0];
    assertEquals(await shown("asset_name"), { asset_name: "A" });
    assertEquals(await shown("asset_uri,asset_metadata.a.b"), {
      asset_uri: "A:1-t",
      asset_metadata: { a: { b: 1 } },
    });
    assertEquals(await shown("asset_metadata.a,asset_metadata.other"), {
      asset_metadata: { a: { b: 1, c: 2 }, other: true },
    });
    assertEquals(await shown("asset_metadata.nothing,asset_version.tag"), {
      asset_metadata: {},
      asset_version: { tag: "t" },
    });
    assertEquals(await shown("asset_metadata.list.x"), { asset_metadata: { list: [{ x: 1 }, {}] } });
    assertEquals(keysOf(await shown("asset_name", "&include=id")), ["asset_name", "id"]);
  });

  test("include=id adds the id under which an asset can be read", async (server) => {
    const { id, asset } = await created(server, {
      asset_name: "A",
      asset_public_url: "https://e.example.com/a",
    });
    const [shown] = listAt((await query(server, {}, "?include=id")).body, "data");
    assertEquals(shown, { ...asset, id });
    const [plain] = listAt((await query(server, {})).body, "data");
    assertEquals(plain, asset);
  });

  test("count=only counts every match, whatever the limit", async (server) => {
    await createNumbered(server, "n", 10);
    for (const search of ["?count=only", "?count=only&limit=2", "?count=only&limit=2&sort=-asset_name"]) {
      const { body } = assertStatus(await query(server, {}, search), 200);
      assertEquals(body, { success: true, data: [], count: 10 });
    }
    const { body } = await query(server, { "asset_metadata.even": true }, "?limit=1&count=only");
    assertEquals(body, { success: true, data: [], count: 5 });
  });

  test("Accept: application/x-ndjson gives an asset a line, and the cursor in X-Next-Cursor", async (server) => {
    await createNumbered(server, "n", 5);
    const ask = (search: string) => query(server, {}, search, { Accept: "application/x-ndjson" });
    const whole = assertStatus(await ask(""), 200);
    assert(/^application\/x-ndjson\b/.test(whole.headers.get("Content-Type") ?? ""));
    const unwanted = await query(server, {}, "", { Accept: "application/x-ndjson;q=0, application/json" });
    assertEquals(
      unwanted.headers.get("Content-Type"),
      whole.headers.get("Content-Type")?.replace("x-ndjson", "json"),
    );
    const lines = whole.text.split("\n");
    assertEquals(lines.pop(), "");
    assertEquals(
      lines.map((line) => textAt(assertAsset(JSON.parse(line)), "asset_name")),
      await namesOf(server, {}),
    );
    assertEquals(whole.headers.get("X-Next-Cursor"), null);
    const names: string[] = [];
    let cursor: string | null = "";
    for (let page = 0; cursor !== null; page++) {
      const answer = assertStatus(
        await ask(`?limit=2${cursor && `&cursor=${encodeURIComponent(cursor)}`}`),
        200,
      );
      for (const line of answer.text.split("\n").filter(Boolean)) {
        names.push(textAt(JSON.parse(line), "asset_name"));
      }
      cursor = answer.headers.get("X-Next-Cursor");
      assert(page < 3, "the pages do not end");
    }
    assertEquals(names, await namesOf(server, {}));
  });

  test("2,000 documents come back in one answer, all of them once", async (server) => {
    await createAtOnce(
      server,
      Array.from({ length: 2000 }, (_, n) => ({ asset_name: `n${n}`, asset_metadata: { n } })),
    );
    const { body } = assertStatus(await query(server, {}), 200);
    const assets = listAt(body, "data");
    assertEquals(assets.length, 2000);
    assertEquals(new Set(assets.map((asset) => textAt(assertAsset(asset), "asset_name"))).size, 2000);
    const sorted = listAt((await query(server, {}, "?sort=-asset_metadata.n")).body, "data");
    assertEquals(
      sorted.map((asset) => at(asset, "asset_metadata.n")),
      Array.from({ length: 2000 }, (_, n) => 1999 - n),
    );
    assertEquals((await allPages(server, "?limit=300")).length, 2000);
  });
}
