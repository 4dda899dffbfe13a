import { assert, assertEquals } from "@std/assert";
import { type SelfRegistrationOptions, startSelfRegistration } from "../../src/assets/self_registration.ts";
import type { JsonObject } from "../../src/collection/json.ts";
import { assertStatus, at, listAt, send } from "../server/client.ts";
import { refusedUrl, startFake, startSilent } from "../server/fake_server.ts";
import { json, startTestServer, type TestServer } from "../server/harness.ts";

const QUICK = { baseMs: 20, capMs: 50, maxRetryAfterMs: Infinity };

async function register(registryUrl: string, more: Partial<SelfRegistrationOptions> = {}): Promise<void> {
  const options = { registryUrl, assetsDbId: "db-1", publicUrl: "http://db-1.example:4000", backoff: QUICK };
  await startSelfRegistration({ ...options, ...more }).done;
}

async function entries(registry: TestServer): Promise<JsonObject[]> {
  const { body } = assertStatus(await send(registry, "/asset_registries", json("POST", {})), 200);
  return listAt(body, "data") as JsonObject[];
}

Deno.test("An Assets DB registers itself under its id, once however often it starts", async () => {
  await using registry = await startTestServer({ mode: "registry" });
  await register(registry.url, { name: "The lab" });
  await register(registry.url, { name: "The lab" });
  assertEquals(await entries(registry), [{
    asset_registry_id: "db-1",
    asset_registry_name: "The lab",
    asset_registry_metadata: {},
    asset_registry_tags: [],
    asset_registry_public_url: "http://db-1.example:4000",
  }]);
});

Deno.test("A new name or URL changes the entry, and nothing else of it", async () => {
  await using registry = await startTestServer({ mode: "registry" });
  await register(registry.url, { name: "The lab" });
  const path = "/asset_registry/db-1";
  await send(
    registry,
    path,
    json("PUT", { asset_registry_tags: ["gpu"], "asset_registry_metadata.floor": 3 }),
  );
  await register(registry.url, { name: "The new lab", publicUrl: "http://elsewhere.example" });
  const { body } = await send(registry, path);
  assertEquals(body.data, {
    asset_registry_id: "db-1",
    asset_registry_name: "The new lab",
    asset_registry_metadata: { floor: 3 },
    asset_registry_tags: ["gpu"],
    asset_registry_public_url: "http://elsewhere.example",
  });
});

Deno.test("Without a name of its own it leaves the name that the registry has", async () => {
  await using registry = await startTestServer({ mode: "registry" });
  await register(registry.url);
  assertEquals((await entries(registry))[0]?.asset_registry_name, "Assets DB db-1");
  await send(registry, "/asset_registry/db-1", json("PUT", { asset_registry_name: "Somebody's choice" }));
  await register(registry.url, { publicUrl: "http://elsewhere.example" });
  const [entry] = await entries(registry);
  assertEquals(
    [entry?.asset_registry_name, entry?.asset_registry_public_url],
    ["Somebody's choice", "http://elsewhere.example"],
  );
});

Deno.test("Many that start at once make one entry", async () => {
  await using registry = await startTestServer({ mode: "registry" });
  await Promise.all(Array.from({ length: 10 }, () => register(registry.url, { name: "The lab" })));
  assertEquals((await entries(registry)).length, 1);
});

Deno.test("It tries on while the registry is away, answers errors, or does not know its token", async () => {
  let requests = 0;
  const answers = [
    () => new Response("no", { status: 500 }),
    () => Response.json({ error: "no" }, { status: 401 }),
    () => Response.redirect("http://elsewhere.example", 307),
    () => Response.json({ data: {} }, { status: 404 }),
    () => Response.json({ error: "unhealthy" }, { status: 502 }),
    () => Response.json({ data: {} }, { status: 404 }),
    () => Response.json({ data: {} }, { status: 201 }),
  ];
  const seen: (string | null)[] = [];
  await using fake = startFake((request) => {
    seen.push(`${request.method} ${request.headers.get("Authorization")}`);
    return answers[requests++]?.() ?? new Response(null, { status: 500 });
  });
  await register(fake.url, { token: "secret" });
  assertEquals(requests, answers.length);
  assertEquals(new Set(seen), new Set(["GET Bearer secret", "POST Bearer secret"]));
});

Deno.test("It can be stopped while the registry refuses, and while it is silent", async () => {
  await using silent = startSilent();
  for (const registryUrl of [refusedUrl(), silent.url]) {
    const options = { registryUrl, assetsDbId: "db-1", publicUrl: "http://db-1.example:4000" };
    const registration = startSelfRegistration(options);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await registration.stop();
  }
});

Deno.test("--registry-url: an Assets DB starts without its registry and registers when that comes", async () => {
  const registryUrl = refusedUrl();
  const startedAt = performance.now();
  await using assetsDb = await startTestServer({ registryUrl, assetsDbName: "Late", registryToken: "w" });
  assert(performance.now() - startedAt < 5000);
  assertStatus(await send(assetsDb, "/health"), 200);
  await using registry = await startTestServer({
    mode: "registry",
    port: new URL(registryUrl).port,
    authWriteToken: "w",
    requireHealthy: "true",
  });
  let found: JsonObject | undefined;
  for (let tries = 0; tries < 200 && !found; tries++) {
    [found] = await entries(registry);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { body } = await send(assetsDb, "/health");
  assertEquals(found?.asset_registry_name, "Late");
  assertEquals(found?.asset_registry_id, at(body, "assets_db_id"));
  assertEquals(found?.asset_registry_public_url, assetsDb.url.replace("127.0.0.1", "localhost"));
});

Deno.test("An answer without an end is given up, and the registry asked again", async () => {
  await using registry = await startTestServer({ mode: "registry" });
  let asked = 0;
  await using fake = startFake(async (request) => {
    if (asked++ === 0) {
      const bytes = new TextEncoder().encode(" ".repeat(64 * 1024));
      return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(bytes) }));
    }
    const { pathname } = new URL(request.url);
    const body = request.method === "GET" ? undefined : await request.text();
    return await fetch(registry.url + pathname, { method: request.method, headers: request.headers, body });
  });
  await register(fake.url, { name: "The lab" });
  assertEquals((await entries(registry)).map((entry) => entry.asset_registry_name), ["The lab"]);
});
