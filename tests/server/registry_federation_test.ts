/** `POST /assets` on a registry: one search over many Assets DBs. */
import { assert, assertEquals } from "@std/assert";
import {
  assertAsset,
  assertError,
  assertStatus,
  at,
  detailPaths,
  keysOf,
  listAt,
  send,
  textAt,
} from "./client.ts";
import { asJsonObject } from "../../src/collection/json.ts";
import { startFake } from "./fake_server.ts";
import {
  add,
  allPages,
  federate,
  names,
  ndjson,
  register,
  search,
  sharedKv,
  sourceOf,
  startFakeDb,
  startRegistry,
  statuses,
} from "./federation_fixture.ts";
import { json, startTestServer } from "./harness.ts";

Deno.test("A search gives the assets of all Assets DBs, oldest first, and how every source did", async () => {
  await using registry = await startRegistry();
  await using a = await startTestServer();
  await using b = await startTestServer();
  await add(a, "one");
  await add(b, "two");
  await add(b, "three");
  await add(a, "four");
  await federate(registry, [a, b]);
  const answer = assertStatus(await search(registry, {}), 200);
  assertEquals(keysOf(answer.body), ["data", "sources", "success"]);
  assertEquals(names(answer), ["one", "two", "three", "four"]);
  for (const asset of listAt(answer.body, "data")) assertAsset(asset);
  assertEquals(
    answer.body.sources,
    [a, b].map(({ url }, n) => ({
      asset_registry_id: `db-${n}`,
      asset_registry_name: `Name of db-${n}`,
      asset_registry_public_url: url,
      count: 2,
      status: "ok",
    })),
  );
  assertEquals(names(await search(registry, { asset_name: { $in: ["two", "four"] } })), ["two", "four"]);
});

Deno.test("The query string of an Assets DB works: sort, fields, include, limit, cursor, count", async () => {
  await using registry = await startRegistry();
  await using a = await startTestServer();
  await using b = await startTestServer();
  for (let n = 0; n < 6; n++) {
    await add(n % 2 ? a : b, `n${n}`, { asset_metadata: { rank: (n * 5) % 6, deep: { x: n } } });
  }
  await federate(registry, [a, b]);
  const sorted = ["n1", "n2", "n3", "n4", "n5", "n0"];
  assertEquals(names(await search(registry, {}, "?sort=-asset_metadata.rank")), sorted);
  const page = await search(registry, {}, "?sort=-asset_metadata.rank&limit=4");
  assertEquals([names(page), keysOf(page.body)], [sorted.slice(0, 4), [
    "data",
    "next_cursor",
    "sources",
    "success",
  ]]);
  const rest = await search(
    registry,
    {},
    `?sort=-asset_metadata.rank&limit=4&cursor=${textAt(page.body, "next_cursor")}`,
  );
  assertEquals([names(rest), rest.body.next_cursor], [sorted.slice(4), null]);
  const picked = await search(registry, {}, "?fields=asset_metadata.deep&sort=-asset_metadata.rank&limit=1");
  assertEquals(picked.body.data, [{ asset_metadata: { deep: { x: 1 } } }]);
  const withId = await search(registry, { asset_name: "n3" }, "?include=id&fields=asset_name");
  const [asset] = listAt(withId.body, "data");
  assertEquals(at((await send(a, `/asset/${textAt(asset, "id")}`)).body, "data.asset_name"), "n3");
  const counted = await search(registry, { asset_name: { $ne: "n3" } }, "?count=only&limit=1");
  assertEquals([counted.body.data, counted.body.count], [[], 5]);
  assertEquals([sourceOf(counted, "db-0").count, sourceOf(counted, "db-1").count], [2, 3]);
});

Deno.test("explain=true says what each source did, in NDJSON in the last line", async () => {
  const folder = await Deno.makeTempDir({ prefix: "federation-test-" });
  try {
    const db = (node: string) => sharedKv(folder, node);
    await using registry = await startRegistry();
    await using owner = await startTestServer({ db: await db("a"), assetsDbId: "owner" });
    await using second = await startTestServer({ db: await db("b"), assetsDbId: "second" });
    for (let n = 0; n < 3; n++) await add(owner, `n${n}`);
    // With its own change it has those before.
    await add(second, "own");
    await federate(registry, [owner, second]);
    await register(registry, "none", "");
    const explained = assertStatus(await search(registry, {}, "?explain=true"), 200);
    const of = (id: string) => asJsonObject(sourceOf(explained, id).explain);
    assertEquals([of("db-0").requests, of("db-0").documents, of("db-0").duplicates], [1, 3, 0]);
    assertEquals([of("db-1").requests, of("db-1").documents, of("db-1").duplicates], [1, 4, 3]);
    assert(Number(of("db-0").bytes) > 300 && Number(of("db-0").first_ms) > 0);
    assert(Number(of("db-0").first_ms) <= Number(of("db-0").took_ms));
    assertEquals(of("none"), {
      requests: 0,
      bytes: 0,
      documents: 0,
      duplicates: 0,
      first_ms: null,
      took_ms: null,
    });
    assert(Number(at(explained.body, "explain.took_ms")) > 0);
    const ndjson = await search(registry, {}, "?explain=true&limit=2", { Accept: "application/x-ndjson" });
    const last = asJsonObject(JSON.parse(ndjson.text.trimEnd().split("\n").at(-1) ?? ""));
    assertEquals(keysOf(last), ["explain", "next_cursor", "sources"]);
    const counted = assertStatus(await search(registry, {}, "?count=only&explain=true"), 200);
    assertEquals([counted.body.count, keysOf(counted.body).includes("explain")], [4, true]);
    assertEquals(keysOf((await search(registry, {})).body), ["data", "sources", "success"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("What is wrong with a search is 400 before anything is sent", async () => {
  await using registry = await startRegistry();
  let asked = 0;
  await using fake = startFakeDb(() => {
    asked++;
    return ndjson([]);
  });
  await federate(registry, [fake]);
  assertError(await search(registry, { $where: "1" }), 400, "invalid_filter");
  assertError(await search(registry, []), 400, "invalid_filter");
  const bad = [
    "limit=0",
    "limit=x",
    "cursor=x",
    "cursor=x.y",
    "sort=",
    "fields=a..b",
    "count=all",
    "include=x",
    "colour=red",
  ];
  for (const query of bad) {
    const answer = assertError(await search(registry, {}, `?${query}`), 400, "invalid_request");
    assertEquals([...new Set(detailPaths(answer))], [query.split("=")[0]], query);
  }
  assertError(await send(registry, "/assets", { method: "POST", body: "{}" }), 415, "unsupported_media_type");
  assertError(await send(registry, "/assets"), 405, "method_not_allowed");
  assertEquals(asked, 0);
});

Deno.test("An asset reached through two nodes of one KV appears once and counts once, as its owner shows it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "federation-test-" });
  const db = (node: string) => sharedKv(folder, node);
  try {
    await using registry = await startRegistry();
    const old = { assetsDbId: "first", publicUrl: "http://old.example" };
    await using first = await startTestServer({ db: await db("a"), ...old });
    await using second = await startTestServer({ db: await db("b"), assetsDbId: "second" });
    await using replica = await startTestServer({ db: await db("c"), assetsDbId: "second" });
    await using other = await startTestServer();
    for (let n = 0; n < 5; n++) {
      await add(first, `first-${n}`);
      await add(second, `second-${n}`);
      await add(other, `other-${n}`);
    }
    await federate(registry, [second, first, replica, other]);
    const answer = assertStatus(await search(registry, {}), 200);
    const expected = Array.from({ length: 5 }, (_, n) => [`first-${n}`, `second-${n}`, `other-${n}`]).flat();
    assertEquals(names(answer), expected);
    assertEquals(sourceOf(answer, "db-1").count, 5);
    assertEquals(Number(sourceOf(answer, "db-0").count) + Number(sourceOf(answer, "db-2").count), 5);
    assertEquals((await search(registry, {}, "?count=only")).body.count, 15);
    for (const query of ["", "&sort=-asset_name", "&sort=assets_db_id"]) {
      const all = await allPages(registry, {}, { limit: 4, query });
      assertEquals(all.length, 15);
      assertEquals(new Set(all.map((asset) => textAt(asset, "asset_name"))).size, 15);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("NDJSON: one asset a line in the same order; the last line has the sources, a page's also the cursor", async () => {
  await using registry = await startRegistry();
  await using a = await startTestServer();
  await using b = await startTestServer();
  for (let n = 0; n < 5; n++) await add(n % 2 ? a : b, `n${n}`);
  await federate(registry, [a, b]);
  const accept = { Accept: "application/x-ndjson" };
  const all = assertStatus(await search(registry, {}, "", accept), 200);
  const lines = all.text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.slice(0, -1).map((asset) => asset.asset_name), ["n0", "n1", "n2", "n3", "n4"]);
  assertEquals(keysOf(lines.at(-1)), ["sources"]);
  const page = await search(registry, {}, "?limit=2", accept);
  const paged = page.text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(paged.length, 3);
  assertEquals(keysOf(paged[2]), ["next_cursor", "sources"]);
  assertEquals(paged[2].next_cursor, page.headers.get("X-Next-Cursor"));
});

Deno.test("A registry that turns up as a source is skipped, itself and when it is not known to be one", async () => {
  await using registry = await startRegistry();
  await using other = await startRegistry();
  await using assetsDb = await startTestServer();
  await add(assetsDb, "one");
  await federate(other, [assetsDb]);
  await federate(registry, [registry, other, assetsDb]);
  const answer = assertStatus(await search(registry, {}), 200);
  assertEquals(statuses(answer), { "db-0": "skipped", "db-1": "skipped", "db-2": "ok" });
  assertEquals(names(answer), ["one"]);
  // Behind something that answers /health for it, only its refusal tells.
  await using proxy = startFakeDb(async (request) => {
    const { pathname, search } = new URL(request.url);
    return await fetch(`${registry.url}${pathname}${search}`, {
      method: "POST",
      headers: request.headers,
      body: await request.text(),
    });
  });
  await register(registry, "proxy", proxy.url);
  const again = assertStatus(await search(registry, {}), 200);
  assertEquals([statuses(again).proxy, names(again)], ["skipped", ["one"]]);
  const refused = await search(registry, {}, "", { "X-Assets-Federation-Hop": "1" });
  assertError(refused, 403, "forbidden");
});

Deno.test("The caller's token is never passed on; FEDERATION_TOKENS has those of the sources, by origin", async () => {
  const seen: Record<string, (string | null)[]> = { known: [], unknown: [] };
  const watch = (name: string) => (request: Request) => {
    seen[name]?.push(request.headers.get("Authorization"), request.headers.get("Cookie"));
    return ndjson([]);
  };
  await using known = startFakeDb(watch("known"));
  await using unknown = startFakeDb(watch("unknown"));
  await using guarded = await startTestServer({ authReadToken: "r", authWriteToken: "w" });
  await using registry = await startRegistry({
    authReadToken: "caller",
    federationTokens: JSON.stringify({ [known.url]: "theirs" }),
  });
  assertError(await search(registry, {}), 401, "unauthenticated");
  const authorization = { Authorization: "Bearer caller", Cookie: "a=b" };
  await using open = await startRegistry({ federationTokens: JSON.stringify({ [known.url]: "theirs" }) });
  await federate(open, [known, unknown, guarded]);
  const answer = assertStatus(await search(open, {}, "", authorization), 200);
  assertEquals(seen, { known: ["Bearer theirs", null], unknown: [null, null] });
  assertEquals(statuses(answer), { "db-0": "ok", "db-1": "ok", "db-2": "error" });
  assert(textAt(sourceOf(answer, "db-2"), "error").includes("401"));
});

Deno.test("What is known to be unhealthy is skipped, and so is what has no URL; what is unknown is asked", async () => {
  await using registry = await startRegistry();
  await using good = await startTestServer();
  await add(good, "one");
  await using ill = startFake(() => new Response("no", { status: 500 }));
  await federate(registry, [good]);
  await register(registry, "ill", ill.url);
  await register(registry, "none", "");
  for (let tries = 0; tries < 200; tries++) {
    const { body } = await send(registry, "/asset_registries?health=unhealthy&count=only", json("POST", {}));
    if (body.count === 2) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const answer = assertStatus(await search(registry, {}), 200);
  assertEquals(statuses(answer), { "db-0": "ok", ill: "skipped", none: "skipped" });
  assertEquals(names(answer), ["one"]);
});

Deno.test("A registry of nothing answers with nothing", async () => {
  await using registry = await startRegistry();
  assertEquals((await search(registry, {})).body, { success: true, data: [], sources: [] });
  assertEquals((await search(registry, {}, "?count=only")).body, {
    success: true,
    data: [],
    count: 0,
    sources: [],
  });
  assertEquals((await search(registry, {}, "?limit=5")).body, {
    success: true,
    data: [],
    next_cursor: null,
    sources: [],
  });
});
