/** The registry's entries: section 5's table without health. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { asJsonObject, type JsonObject } from "../../src/collection/json.ts";
import { assertError, assertStatus, at, detailPaths, keysOf, listAt, send, textAt } from "./client.ts";
import { json, startTestServer, type TestServer } from "./harness.ts";
import { rawRequest } from "./raw.ts";

const FIELDS = [
  "asset_registry_id",
  "asset_registry_metadata",
  "asset_registry_name",
  "asset_registry_public_url",
  "asset_registry_tags",
];

function test(sentence: string, run: (server: TestServer) => Promise<void>): void {
  Deno.test(`Registry: ${sentence}`, async () => {
    await using server = await startTestServer({ mode: "registry" });
    await run(server);
  });
}

const post = (server: TestServer, body: unknown, headers = {}) =>
  send(server, "/asset_registry", json("POST", body, headers));
const get = (server: TestServer, id: string) => send(server, `/asset_registry/${encodeURIComponent(id)}`);
const put = (server: TestServer, id: string, body: unknown, headers = {}) =>
  send(server, `/asset_registry/${encodeURIComponent(id)}`, json("PUT", body, headers));
const remove = (server: TestServer, id: string, headers = {}) =>
  send(server, `/asset_registry/${encodeURIComponent(id)}`, { method: "DELETE", headers });
const search = (server: TestServer, filter: unknown, query = "", headers = {}) =>
  send(server, `/asset_registries${query}`, json("POST", filter, headers));

async function registered(server: TestServer, body: unknown): Promise<string> {
  return textAt(assertStatus(await post(server, body), 201).body, "data.id");
}

async function names(server: TestServer, filter: unknown, query = ""): Promise<string[]> {
  const { body } = assertStatus(await search(server, filter, query), 200);
  return listAt(body, "data").map((entry) => textAt(entry, "asset_registry_name"));
}

function assertEntry(value: unknown): JsonObject {
  const entry = asJsonObject(value);
  assertEquals(keysOf(entry), FIELDS);
  return entry;
}

test("POST /asset_registry answers 201 with message and id; what is left out has a default", async (server) => {
  const answer = assertStatus(await post(server, { asset_registry_name: "Bare" }), 201);
  assertEquals(keysOf(answer.body), ["data", "success"]);
  assertEquals(keysOf(answer.body.data), ["id", "message"]);
  assertEquals(at(answer.body, "data.message"), "Asset registry created");
  const id = textAt(answer.body, "data.id");
  assert(/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(id), id);
  assertEquals((await get(server, id)).body, {
    success: true,
    data: {
      asset_registry_id: id,
      asset_registry_name: "Bare",
      asset_registry_metadata: {},
      asset_registry_tags: [],
      asset_registry_public_url: "",
    },
  });
});

test("POST /asset_registry keeps what it is given, an unreachable URL too", async (server) => {
  const entry = {
    asset_registry_id: "my.own_id-1~",
    asset_registry_name: "ResNet Models registry",
    asset_registry_metadata: { framework: "PyTorch", deep: { n: [1, null] } },
    asset_registry_tags: ["pytorch"],
    asset_registry_public_url: "http://127.0.0.1:1/models",
  };
  assertEquals(await registered(server, entry), "my.own_id-1~");
  assertEquals(assertEntry((await get(server, "my.own_id-1~")).body.data), entry);
});

test("An id is 1 to 128 of A-Z a-z 0-9 . _ ~ - and free", async (server) => {
  const body = (asset_registry_id: unknown) => ({ asset_registry_name: "N", asset_registry_id });
  for (const id of ["a", "x".repeat(128), "A.b_c~d-9", "0198f0c2-0000-7000-8000-000000000000"]) {
    assertEquals(await registered(server, body(id)), id);
    assertError(await post(server, body(id)), 409, "already_exists");
    assertEquals((await get(server, id)).status, 200);
  }
  for (const id of ["x".repeat(129), "a b", "a/b", "größe", "a:b", 5, null]) {
    const answer = assertError(await post(server, body(id)), 400, "invalid_request");
    assertEquals(detailPaths(answer), ["asset_registry_id"]);
  }
  assertEquals((await search(server, {}, "?count=only")).body.count, 4);
});

test("POST /asset_registry answers 400 to every offending field, and nothing is made", async (server) => {
  const bodies: [unknown, string[]][] = [
    [{}, ["asset_registry_name"]],
    [{ asset_registry_name: "" }, ["asset_registry_name"]],
    [{ asset_registry_name: 5, asset_registry_tags: "x", asset_registry_metadata: [] }, [
      "asset_registry_metadata",
      "asset_registry_name",
      "asset_registry_tags",
    ]],
    [{ asset_registry_name: "N", colour: "red" }, ["colour"]],
    ...["ftp://x.example.com", "javascript:alert(1)", "x.example.com", "http://", "/models", 5].map(
      (asset_registry_public_url): [unknown, string[]] => [
        { asset_registry_name: "N", asset_registry_public_url },
        ["asset_registry_public_url"],
      ],
    ),
  ];
  for (const [body, paths] of bodies) {
    const answer = assertError(await post(server, body), 400, "invalid_request");
    assertEquals(detailPaths(answer), paths, answer.text);
  }
  for (const body of [[], null, "text"]) assertError(await post(server, body), 400, "invalid_request");
  for (const asset_registry_public_url of ["", "http://x.example.com", "https://x.example.com/a?b#c"]) {
    await registered(server, { asset_registry_name: "N", asset_registry_public_url });
  }
  assertEquals((await search(server, {}, "?count=only")).body.count, 3);
});

test("PUT answers 200 with its message; fields are replaced whole and dotted paths set a leaf", async (server) => {
  const id = await registered(server, {
    asset_registry_name: "N",
    asset_registry_metadata: { a: 1, b: { c: 2 } },
  });
  const answer = assertStatus(
    await put(server, id, { "asset_registry_metadata.b.d": 3, "asset_registry_name": "M" }),
    200,
  );
  assertEquals(answer.body, { success: true, data: { message: "Asset registry updated" } });
  const entry = asJsonObject((await get(server, id)).body.data);
  assertEquals(entry.asset_registry_name, "M");
  assertEquals(entry.asset_registry_metadata, { a: 1, b: { c: 2, d: 3 } });
  assertStatus(await put(server, id, { asset_registry_metadata: { replaced: true } }), 200);
  assertEquals(at((await get(server, id)).body, "data.asset_registry_metadata"), { replaced: true });
  assertStatus(await put(server, id, asJsonObject((await get(server, id)).body.data)), 200);
});

test("PUT answers 400 to bad fields and another id, 404 to an unknown entry, and never makes one", async (server) => {
  const id = await registered(server, { asset_registry_name: "N", asset_registry_tags: ["t"] });
  const before = (await get(server, id)).body;
  for (
    const body of [
      { colour: "red" },
      { asset_registry_name: "" },
      { asset_registry_public_url: "ftp://x" },
      { asset_registry_tags: "x" },
      { asset_registry_id: "other" },
      { "asset_registry_tags.0": "x" },
      { "asset_registry_name.a": "x" },
      [],
    ]
  ) assertError(await put(server, id, body), 400, "invalid_request");
  assertEquals((await get(server, id)).body, before);
  assertError(await put(server, "nothing", { asset_registry_name: "N" }), 404, "not_found");
  assertError(await get(server, "nothing"), 404, "not_found");
  assertEquals((await search(server, {}, "?count=only")).body.count, 1);
});

test("DELETE answers 200 once, then 404, and frees the id", async (server) => {
  const body = { asset_registry_name: "N", asset_registry_id: "mine" };
  await registered(server, body);
  assertEquals(assertStatus(await remove(server, "mine"), 200).body, {
    success: true,
    data: { message: "Asset registry deleted" },
  });
  assertError(await remove(server, "mine"), 404, "not_found");
  assertError(await get(server, "mine"), 404, "not_found");
  assertEquals((await search(server, {})).body.data, []);
  await registered(server, body);
});

test("GET sends an ETag; If-None-Match is 304, a stale If-Match on PUT and DELETE 412", async (server) => {
  const id = await registered(server, { asset_registry_name: "N" });
  const etag = (await get(server, id)).headers.get("ETag") ?? "";
  assert(/^"[^"]+"$/.test(etag), etag);
  const same = await send(server, `/asset_registry/${id}`, { headers: { "If-None-Match": etag } });
  assertEquals([same.status, same.text], [304, ""]);
  assertStatus(await put(server, id, { asset_registry_name: "M" }, { "If-Match": etag }), 200);
  assertNotEquals((await get(server, id)).headers.get("ETag"), etag);
  assertError(
    await put(server, id, { asset_registry_name: "O" }, { "If-Match": etag }),
    412,
    "precondition_failed",
  );
  assertError(await remove(server, id, { "If-Match": etag }), 412, "precondition_failed");
  assertEquals(await names(server, {}), ["M"]);
  const head = await send(server, `/asset_registry/${id}`, { method: "HEAD" });
  assertEquals([head.status, head.text], [200, ""]);
});

test("POST /asset_registries takes the filters and the query string of POST /assets", async (server) => {
  for (let n = 0; n < 6; n++) {
    await registered(server, {
      asset_registry_name: `R${n}`,
      asset_registry_metadata: { n, framework: n % 2 ? "PyTorch" : "JAX" },
      asset_registry_tags: n < 3 ? ["low"] : ["high", "x"],
    });
  }
  const filters: [unknown, string][] = [
    [{}, "R0R1R2R3R4R5"],
    [{ "asset_registry_metadata.framework": "PyTorch" }, "R1R3R5"],
    [{ asset_registry_tags: "x", "asset_registry_metadata.n": { $gt: 3 } }, "R4R5"],
    [{ asset_registry_name: { $regex: "[12]$" } }, "R1R2"],
    [{ $or: [{ "asset_registry_metadata.n": 0 }, { asset_registry_tags: { $size: 2 } }] }, "R0R3R4R5"],
  ];
  for (const [filter, found] of filters) assertEquals((await names(server, filter)).join(""), found);
  assertError(await search(server, { $where: "1" }), 400, "invalid_filter");
  assertError(await search(server, []), 400, "invalid_filter");
  assertError(await search(server, {}, "?limit=0"), 400, "invalid_request");
  assertEquals(await names(server, {}, "?sort=-asset_registry_name&limit=2"), ["R5", "R4"]);
  assertEquals((await search(server, {}, "?count=only&limit=1")).body, { success: true, data: [], count: 6 });
  const page = await search(server, {}, "?limit=4");
  listAt(page.body, "data").forEach(assertEntry);
  const cursor = encodeURIComponent(textAt(page.body, "next_cursor"));
  const rest = await search(server, {}, `?limit=4&cursor=${cursor}`);
  assertEquals(listAt(rest.body, "data").length, 2);
  assertEquals(rest.body.next_cursor, null);
  const fields = await search(server, { asset_registry_name: "R1" }, "?fields=asset_registry_metadata.n");
  assertEquals(fields.body.data, [{ asset_registry_metadata: { n: 1 } }]);
  const lines = await search(server, {}, "", { Accept: "application/x-ndjson" });
  assertEquals(lines.text.trim().split("\n").length, 6);
});

test("Unknown paths are 404, the Assets DB's own routes included; other methods 405; other types 415", async (server) => {
  for (const path of ["/asset", "/upload_asset", "/asset/x", "/asset-object/x", "/nowhere"]) {
    assertError(await send(server, path, json("POST", {})), 404, "route_not_found");
  }
  const allows: [string, string, string[]][] = [
    ["/asset_registry", "GET", ["POST"]],
    ["/asset_registries", "GET", ["POST"]],
    ["/asset_registry/x", "POST", ["DELETE", "GET", "HEAD", "PUT"]],
    ["/check_health/x", "POST", ["GET", "HEAD"]],
  ];
  for (const [path, method, allowed] of allows) {
    const answer = assertError(await send(server, path, { method }), 405, "method_not_allowed");
    const allow = (answer.headers.get("Allow") ?? "").split(/,\s*/).filter((one) => one !== "OPTIONS");
    assertEquals(allow.sort(), allowed);
  }
  const text = { method: "POST", body: "{}", headers: { "Content-Type": "text/plain" } };
  assertError(await send(server, "/asset_registry", text), 415, "unsupported_media_type");
  const broken = { method: "POST", body: "{", headers: { "Content-Type": "application/json" } };
  assertError(await send(server, "/asset_registry", broken), 400, "invalid_json");
  const malformed = await rawRequest(server, "GET", "/health", { host: "a<b>" });
  assertEquals(malformed.status, 400, malformed.text);
});

test("20 dotted PUTs of different leaves at once all survive; of 20 POSTs of one id one wins", async (server) => {
  const id = await registered(server, { asset_registry_name: "N" });
  const numbers = Array.from({ length: 20 }, (_, n) => n);
  const puts = await Promise.all(
    numbers.map((n) => put(server, id, { [`asset_registry_metadata.k${n}`]: n })),
  );
  assertEquals(puts.map(({ status }) => status), numbers.map(() => 200));
  assertEquals(
    at((await get(server, id)).body, "data.asset_registry_metadata"),
    Object.fromEntries(numbers.map((n) => [`k${n}`, n])),
  );
  const posts = await Promise.all(
    numbers.map((n) => post(server, { asset_registry_name: `P${n}`, asset_registry_id: "one" })),
  );
  assertEquals(posts.map(({ status }) => status).sort(), [201, ...numbers.slice(1).map(() => 409)]);
});

test("Entries survive a restart", async (server) => {
  const id = await registered(server, { asset_registry_name: "N" });
  await server.restart();
  assertEquals(at((await get(server, id)).body, "data.asset_registry_name"), "N");
});

test("A POST, PUT or DELETE with an Idempotency-Key takes effect once and answers the same again", async (server) => {
  const key = (name: string) => ({ "Idempotency-Key": name });
  const first = assertStatus(await post(server, { asset_registry_name: "N" }, key("made")), 201);
  const again = assertStatus(await post(server, { asset_registry_name: "N" }, key("made")), 201);
  assertEquals(again.body, first.body);
  assertEquals(await names(server, {}), ["N"]);
  assertError(await post(server, { asset_registry_name: "M" }, key("made")), 400, "invalid_request");

  const id = textAt(first.body, "data.id");
  assertStatus(await put(server, id, { asset_registry_name: "O" }, key("put")), 200);
  assertStatus(await put(server, id, { asset_registry_name: "P" }), 200);
  assertStatus(await put(server, id, { asset_registry_name: "O" }, key("put")), 200);
  assertEquals(await names(server, {}), ["P"]);

  assertStatus(await remove(server, id, key("gone")), 200);
  assertStatus(await remove(server, id, key("gone")), 200);
  assertError(await remove(server, id), 404, "not_found");
});
