/** Health in the answers of a registry: `include=health`, `health=…`, and how checks come to be known. */
import { assert, assertEquals } from "@std/assert";
import type { Json, JsonObject } from "../../src/collection/json.ts";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { assertError, assertStatus, at, detailPaths, keysOf, listAt, send, textAt } from "./client.ts";
import { type FakeServer, refusedUrl, startFake } from "./fake_server.ts";
import { json, startTestServer, type TestServer } from "./harness.ts";

/** A registry that probes only when an entry is made or changed, unless told otherwise. */
function startRegistry(settings: SettingTexts = {}): Promise<TestServer> {
  return startTestServer({ mode: "registry", healthInterval: "1h", ...settings });
}

function startHealthy(): FakeServer {
  return startFake(() => Response.json({ success: true, message: "healthy" }));
}

async function register(server: TestServer, id: string, url: string, more: JsonObject = {}): Promise<void> {
  const entry = {
    asset_registry_id: id,
    asset_registry_name: `Name of ${id}`,
    asset_registry_public_url: url,
  };
  assertStatus(await send(server, "/asset_registry", json("POST", { ...entry, ...more })), 201);
}

const list = (server: TestServer, query: string, filter: Json = {}, headers = {}) =>
  send(server, `/asset_registries${query}`, json("POST", filter, headers));

async function ids(server: TestServer, query: string, filter: Json = {}): Promise<string[]> {
  const { body } = assertStatus(await list(server, query, filter), 200);
  return listAt(body, "data").map((entry) => textAt(entry, "asset_registry_id"));
}

/** Waits until nothing is unknown. */
async function untilProbed(server: TestServer): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if ((await ids(server, "?health=unknown")).length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("There are entries that nobody probes");
}

Deno.test("include=health adds the health of every entry, in the shape of the contract", async () => {
  await using registry = await startRegistry();
  await using up = startHealthy();
  await register(registry, "up", up.url);
  await register(registry, "down", refusedUrl());
  await register(registry, "none", "");
  await untilProbed(registry);
  const { body } = assertStatus(await list(registry, "?include=health"), 200);
  const entries = listAt(body, "data");
  assertEquals(entries.map((entry) => at(entry, "health.status")), ["healthy", "unhealthy", "unhealthy"]);
  const [first, second] = entries;
  const common = ["checked_at", "consecutive_failures", "latency_ms", "since", "status"];
  assertEquals(keysOf(at(first, "health")), common);
  assertEquals(keysOf(at(second, "health")), [...common, "error"].sort());
  assertEquals(at(second, "health.consecutive_failures"), 1);
  assert(!("health" in (listAt((await list(registry, "")).body, "data")[0] as JsonObject)));
});

Deno.test("health=… works together with the filter, sort, fields, include, count and pages", async () => {
  await using registry = await startRegistry();
  await using up = startHealthy();
  for (let n = 0; n < 12; n++) {
    const url = n % 3 === 0 ? refusedUrl() : up.url;
    await register(registry, `e${String(n).padStart(2, "0")}`, url, {
      asset_registry_tags: [n % 2 === 0 ? "even" : "odd"],
    });
  }
  await untilProbed(registry);
  const healthy = ["e01", "e02", "e04", "e05", "e07", "e08", "e10", "e11"];
  assertEquals(await ids(registry, "?health=healthy"), healthy);
  assertEquals(await ids(registry, "?health=unhealthy"), ["e00", "e03", "e06", "e09"]);
  const even = { asset_registry_tags: "even" };
  assertEquals(await ids(registry, "?health=healthy&sort=-asset_registry_id", even), [
    "e10",
    "e08",
    "e04",
    "e02",
  ]);
  const counted = await list(registry, "?health=healthy&count=only&limit=1", even);
  assertEquals(counted.body, { success: true, data: [], count: 4 });
  for (const sort of ["", "&sort=-asset_registry_id"]) {
    for (const limit of [1, 3, 4, 8]) {
      const seen: string[] = [];
      let cursor = "";
      for (let pages = 0; pages < 20; pages++) {
        const query = `?health=healthy&limit=${limit}${sort}${
          cursor && `&cursor=${encodeURIComponent(cursor)}`
        }`;
        const { body } = assertStatus(await list(registry, query), 200);
        const page = listAt(body, "data").map((entry) => textAt(entry, "asset_registry_id"));
        assert(page.length <= limit);
        seen.push(...page);
        if (body.next_cursor === null) break;
        assertEquals(page.length, limit);
        cursor = textAt(body, "next_cursor");
      }
      assertEquals(seen, sort === "" ? healthy : healthy.toReversed(), `limit ${limit}${sort}`);
    }
  }
  const some = await list(registry, "?health=healthy&include=health,id&fields=asset_registry_name&limit=1");
  assertEquals(keysOf(listAt(some.body, "data")[0]), ["asset_registry_name", "health", "id"]);
  const lines = await list(registry, "?health=healthy&limit=2", {}, { Accept: "application/x-ndjson" });
  assertEquals(lines.text.trimEnd().split("\n").length, 2);
  assert(lines.headers.get("X-Next-Cursor"));
});

Deno.test("Other values of include and health are 400 and named", async () => {
  await using registry = await startRegistry();
  for (const query of ["?health=ill", "?health="]) {
    assertEquals(detailPaths(assertError(await list(registry, query), 400, "invalid_request")), ["health"]);
  }
  for (const query of ["?include=colour", "?include=health,colour"]) {
    assertEquals(detailPaths(assertError(await list(registry, query), 400, "invalid_request")), ["include"]);
  }
  assertError(await send(registry, "/asset_registry/x?include=id"), 400, "invalid_request");
});

Deno.test("GET /asset_registry/<id>?include=health has the health and its history; the entry's ETag stays", async () => {
  await using registry = await startRegistry();
  await using up = startHealthy();
  await register(registry, "up", up.url);
  await untilProbed(registry);
  const etag = (await send(registry, "/asset_registry/up")).headers.get("ETag");
  assertStatus(await send(registry, "/check_health/up"), 200);
  assertEquals((await send(registry, "/asset_registry/up")).headers.get("ETag"), etag);
  const answer = assertStatus(await send(registry, "/asset_registry/up?include=health"), 200);
  assertEquals(at(answer.body, "data.health.status"), "healthy");
  const history = listAt(answer.body, "data.health.history");
  assertEquals(history.map((check) => keysOf(check)), [
    ["checked_at", "latency_ms", "status"],
    ["checked_at", "latency_ms", "status"],
  ]);
  assertEquals([answer.headers.get("ETag"), answer.headers.get("Cache-Control")], [null, "no-store"]);
});

Deno.test("GET /check_health records what it finds", async () => {
  await using registry = await startRegistry();
  let isUp = true;
  await using fake = startFake(() => Response.json({}, { status: isUp ? 200 : 500 }));
  await register(registry, "one", fake.url);
  await untilProbed(registry);
  assertEquals(await ids(registry, "?health=healthy"), ["one"]);
  isUp = false;
  assertError(await send(registry, "/check_health/one"), 502, "unhealthy");
  assertEquals(await ids(registry, "?health=unhealthy"), ["one"]);
  isUp = true;
  assertStatus(await send(registry, "/check_health/one"), 200);
  assertEquals(await ids(registry, "?health=healthy"), ["one"]);
});

Deno.test("--health-interval: what goes down and comes back is found by itself", async () => {
  await using registry = await startRegistry({ healthInterval: "50ms" });
  let isUp = true;
  await using fake = startFake(() => Response.json({}, { status: isUp ? 200 : 503 }));
  await register(registry, "one", fake.url);
  for (const status of ["healthy", "unhealthy", "healthy"]) {
    isUp = status === "healthy";
    let found: string[] = [];
    for (let tries = 0; tries < 250 && found.length === 0; tries++) {
      found = await ids(registry, `?health=${status}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assertEquals(found, ["one"], status);
  }
});

Deno.test("What is known of health survives a restart, and an entry made anew starts unknown", async () => {
  await using registry = await startRegistry();
  await using up = startHealthy();
  await register(registry, "one", up.url);
  await untilProbed(registry);
  const health = async () => (await send(registry, "/asset_registry/one?include=health")).body.data;
  const before = await health();
  await registry.restart();
  assertEquals(await health(), before);
  await send(registry, "/asset_registry/one", { method: "DELETE" });
  await register(registry, "one", "");
  assert(["unknown", "unhealthy"].includes(textAt(await health(), "health.status")));
});

Deno.test("explain=true tells how the entries were found", async () => {
  await using registry = await startRegistry();
  await register(registry, "up", refusedUrl());
  for (const options of ["?explain=true", "?explain=true&count=only", "?explain=true&health=unhealthy"]) {
    const { body } = assertStatus(await list(registry, options), 200);
    assertEquals(typeof at(body, "explain.time_ms"), "number", options);
  }
  assert(!("explain" in assertStatus(await list(registry, ""), 200).body));
});
