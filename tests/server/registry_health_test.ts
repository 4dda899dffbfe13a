/** `GET /check_health/<id>`, `--require-healthy`, `--no-private-targets`. */
import { assert, assertEquals } from "@std/assert";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { assertError, assertStatus, at, keysOf, send, textAt } from "./client.ts";
import { refusedUrl, startFake, startSilent } from "./fake_server.ts";
import { json, startTestServer, type TestServer } from "./harness.ts";

function startRegistry(settings: SettingTexts = {}): Promise<TestServer> {
  return startTestServer({ mode: "registry", ...settings });
}

function register(server: TestServer, asset_registry_public_url: string) {
  return send(
    server,
    "/asset_registry",
    json("POST", { asset_registry_name: "N", asset_registry_public_url }),
  );
}

/** Registers the URL and checks it. */
async function check(server: TestServer, publicUrl: string) {
  const { body } = assertStatus(await register(server, publicUrl), 201);
  return await send(server, `/check_health/${textAt(body, "data.id")}`);
}

Deno.test("GET /check_health answers 200 with what a real Assets DB said", async () => {
  await using registry = await startRegistry();
  await using assetsDb = await startTestServer();
  const answer = assertStatus(await check(registry, assetsDb.url), 200);
  assertEquals(keysOf(answer.body), ["data", "health", "success"]);
  assertEquals(at(answer.body, "data.message"), "healthy");
  assertEquals(at(answer.body, "data.success"), true);
  assertEquals(keysOf(answer.body.health), ["checked_at", "latency_ms", "status"]);
  assertEquals(at(answer.body, "health.status"), "healthy");
  assert(Number(at(answer.body, "health.latency_ms")) >= 0);
  const age = Date.now() - Date.parse(textAt(answer.body, "health.checked_at"));
  assert(age >= -1000 && age < 60_000, `${age}`);
});

Deno.test("GET /check_health asks below the path of the public URL", async () => {
  await using registry = await startRegistry();
  const asked: string[] = [];
  await using fake = startFake((request) => {
    asked.push(new URL(request.url).pathname);
    return Response.json({ ok: 1 });
  });
  for (const publicUrl of [`${fake.url}/models`, `${fake.url}/models/`, fake.url, `${fake.url}/`]) {
    const answer = assertStatus(await check(registry, publicUrl), 200);
    assertEquals(answer.body.data, { ok: 1 });
  }
  // The background probes ask there too.
  assertEquals([...new Set(asked)].sort(), ["/health", "/models/health"]);
});

Deno.test("GET /check_health answers 502 unhealthy to refusals, bad statuses, redirects, what is no JSON, and no URL", async () => {
  await using registry = await startRegistry();
  let answerOfFake: () => Response = () => new Response();
  let redirectsFollowed = 0;
  await using fake = startFake((request) => {
    if (new URL(request.url).pathname !== "/health") redirectsFollowed++;
    return answerOfFake();
  });
  const bad: (() => Response)[] = [
    () => Response.json({ message: "no" }, { status: 500 }),
    () => Response.json({ message: "no" }, { status: 503 }),
    () => Response.json({ message: "no" }, { status: 404 }),
    () => new Response("<html>hello</html>"),
    () => new Response(""),
    () => new Response(null, { status: 204 }),
    () => Response.redirect(`${fake.url}/elsewhere`, 302),
    () => new Response("x".repeat(2 ** 21)),
  ];
  for (const one of bad) {
    answerOfFake = one;
    assertError(await check(registry, fake.url), 502, "unhealthy");
  }
  assertEquals(redirectsFollowed, 0);
  assertError(await check(registry, refusedUrl()), 502, "unhealthy");
  assertError(await check(registry, ""), 502, "unhealthy");
  assertError(await check(registry, "http://does-not-exist.invalid"), 502, "unhealthy");
});

Deno.test("GET /check_health answers 502 when the Assets DB itself says that it is unhealthy", async () => {
  await using registry = await startRegistry();
  await using assetsDb = await startTestServer({
    s3Bucket: "assets",
    s3Endpoint: refusedUrl(),
    s3AccessKeyId: "k",
    s3SecretAccessKey: "s",
  });
  assertError(await check(registry, assetsDb.url), 502, "unhealthy");
});

Deno.test("GET /check_health answers 504 timeout after 5 s, to silence and to a body that never ends", async () => {
  await using registry = await startRegistry();
  await using silent = startSilent();
  const endless = new AbortController();
  await using slow = startFake(() => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"message":'));
        endless.signal.addEventListener("abort", () => controller.error(new Error("over")));
      },
    });
    return new Response(body, { headers: { "Content-Type": "application/json" } });
  });
  const startedAt = performance.now();
  const answers = await Promise.all([check(registry, silent.url), check(registry, slow.url)]);
  for (const answer of answers) assertError(answer, 504, "timeout");
  assert(performance.now() - startedAt >= 4900, "it gave up too early");
  endless.abort();
});

Deno.test("GET /check_health of an unknown id is 404", async () => {
  await using registry = await startRegistry();
  assertError(await send(registry, "/check_health/nothing"), 404, "not_found");
});

Deno.test("HEAD /check_health answers as GET does", async () => {
  await using registry = await startRegistry();
  await using fake = startFake(() => Response.json({}));
  const { body } = await register(registry, fake.url);
  const head = await send(registry, `/check_health/${textAt(body, "data.id")}`, { method: "HEAD" });
  assertEquals([head.status, head.text], [200, ""]);
});

Deno.test("--require-healthy registers what is healthy and answers 502 unhealthy to the rest", async () => {
  await using registry = await startRegistry({ requireHealthy: "true" });
  await using assetsDb = await startTestServer();
  await using broken = startFake(() => new Response("no", { status: 500 }));
  assertStatus(await register(registry, assetsDb.url), 201);
  for (const url of [refusedUrl(), broken.url, ""]) {
    assertError(await register(registry, url), 502, "unhealthy");
  }
  const count = await send(registry, "/asset_registries?count=only", json("POST", {}));
  assertEquals(count.body.count, 1);
});

Deno.test("--no-private-targets keeps the registry away from private and loopback addresses", async () => {
  await using registry = await startRegistry({ noPrivateTargets: "true" });
  let asked = 0;
  await using fake = startFake(() => {
    asked++;
    return Response.json({});
  });
  const { port } = new URL(fake.url);
  const hosts = [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
    "2130706433",
    "0x7f.1",
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "[fd00::1]",
  ];
  for (const host of hosts) {
    const answer = await check(registry, `http://${host}:${port}`);
    assertEquals(answer.status, 502, `${host}: ${answer.text}`);
    assertError(answer, 502, "unhealthy");
  }
  assertEquals(asked, 0);
});

Deno.test("Link-local and cloud-metadata addresses are refused always", async () => {
  await using registry = await startRegistry();
  const hosts = [
    "169.254.169.254",
    "169.254.1.1",
    "[fe80::1]",
    "[::ffff:169.254.169.254]",
    "100.100.100.200",
  ];
  for (const host of [...hosts, "2852039166", "[fd00:ec2::254]"]) {
    const startedAt = performance.now();
    assertError(await check(registry, `http://${host}`), 502, "unhealthy");
    // It was not tried: that would have run into the timeout.
    assert(performance.now() - startedAt < 4000, host);
  }
});
