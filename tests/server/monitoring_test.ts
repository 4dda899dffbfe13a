/** What a server shows of itself: `/metrics`, `/livez`, `/readyz`. */
import { assert, assertEquals } from "@std/assert";
import { assertError, assertStatus, send } from "./client.ts";
import { refusedUrl } from "./fake_server.ts";
import { json, startTestServer, type TestServer, uploadForm } from "./harness.ts";
import { newFolder, removeFolders, start } from "./program.ts";
import { connect, rawRequest, readAnswer, writeAll } from "./raw.ts";

Deno.test.afterAll(removeFolders);

/** The samples of a scrape by name and labels, each line of which must be well-formed. */
async function scrape(
  server: TestServer,
  headers: Record<string, string> = {},
): Promise<Map<string, number>> {
  const { text, headers: answered } = assertStatus(await send(server, "/metrics", { headers }), 200);
  assert(answered.get("Content-Type")?.startsWith("text/plain; version=0.0.4"));
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of text.trimEnd().split("\n")) {
    const [, name, type] = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line) ?? [];
    if (name && type) {
      assert(!types.has(name), `${name} twice`);
      types.set(name, type);
    }
    if (line.startsWith("#")) continue;
    const [, key = "", value = ""] =
      /^([a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*"(?:,(?!\}))?)+\})?) ([0-9.e+-]+)$/.exec(line) ?? [];
    assert(key !== "", `malformed: ${line}`);
    assert(types.has(key.replace(/\{.*/, "").replace(/_(bucket|sum|count)$/, "")) || types.has(key), line);
    assert(!samples.has(key), `${key} twice`);
    samples.set(key, Number(value));
  }
  return samples;
}

/** Asks until it is as it should be: an answer is counted once it has been sent, which its reader may see before. */
async function eventually(check: () => Promise<void>): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      return await check();
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

Deno.test("GET /metrics counts requests by route, method and status, their durations, and bytes both ways", async () => {
  await using server = await startTestServer();
  const upload = await send(server, "/upload_asset", {
    method: "POST",
    body: uploadForm("x".repeat(100_000)),
  });
  assertStatus(upload, 201);
  const uri = await send(server, "/asset/Sample:1.0-initial");
  await send(server, "/asset/nothing");
  await send(server, "/asset/nothing", { method: "HEAD" });
  const query = json("POST", {});
  const found = await send(server, "/assets", query);
  const path = new URL(String(upload.body.public_url)).pathname;
  await send(server, path);
  await send(server, path, { headers: { Range: "bytes=0-9" } });
  await send(server, path, { method: "HEAD" });
  const name = (what: string, route: string, method: string, status?: number) =>
    `assets_server_http_${what}{route="${route}",method="${method}"${status ? `,status="${status}"` : ""}}`;
  await eventually(async () => {
    const samples = await scrape(server);
    assertEquals(samples.get(name("requests_total", "/upload_asset", "POST", 201)), 1);
    assertEquals(samples.get(name("requests_total", "/asset/:uri", "GET", 200)), 1);
    assertEquals(samples.get(name("requests_total", "/asset/:uri", "GET", 404)), 1);
    assertEquals(samples.get(name("requests_total", "/asset/:uri", "HEAD", 404)), 1);
    assertEquals(samples.get(name("request_duration_seconds_count", "/asset/:uri", "GET")), 2);
    const brought = samples.get(name("request_body_bytes_total", "/upload_asset", "POST")) ?? 0;
    assert(brought > 100_000 && brought < 102_000, String(brought));
    const missing = (await send(server, "/asset/nothing")).text.length;
    const sent = samples.get(name("response_body_bytes_total", "/asset/:uri", "GET")) ?? 0;
    assert(sent >= uri.text.length + missing && (sent - uri.text.length) % missing === 0, String(sent));
    assertEquals(samples.get(name("response_body_bytes_total", "/asset-object/:id", "GET")), 100_010);
    assertEquals(samples.get(name("response_body_bytes_total", "/asset-object/:id", "HEAD")), 0);
    assertEquals(samples.get(name("response_body_bytes_total", "/assets", "POST")), found.text.length);
    assertEquals(samples.get(name("request_body_bytes_total", "/assets", "POST")), 2);
    assertEquals(samples.get("assets_server_assets_stored"), 1);
  });
});

Deno.test("GET /metrics needs no more permissions than the program is started with", async () => {
  await using program = await start(["--port", "0", "--data-dir", await newFolder()]);
  const { text } = assertStatus(await send(program, "/metrics"), 200);
  assert(/^process_cpu_seconds_total [0-9.]+$/m.test(text), text);
});

Deno.test("GET /metrics has no label that a client can invent", async () => {
  await using server = await startTestServer();
  for (let n = 0; n < 20; n++) {
    await rawRequest(server, `METHOD${n}`, `/asset/x${n}`);
    await rawRequest(server, "GET", `/nowhere${n}`);
    await rawRequest(server, `METHOD${n}`, `/nowhere${n}"} 5`);
  }
  const text = [...(await scrape(server)).keys()].join("\n");
  assert(!/METHOD|nowhere|x1/.test(text), text);
  assert(text.includes('requests_total{route="(none)",method="GET",status="404"}'), text);
  assert(text.includes('requests_total{route="/asset/:uri",method="other",status="405"}'), text);
});

Deno.test("GET /metrics counts uploads in flight", async () => {
  await using server = await startTestServer();
  const inFlight = async (expected: number) => {
    await eventually(async () => {
      assertEquals((await scrape(server)).get("assets_server_uploads_in_flight"), expected);
    });
  };
  const connection = await connect(server);
  const head =
    "POST /upload_asset HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n";
  await writeAll(connection, `${head}\r\n--b\r\n`);
  await inFlight(1);
  connection.close();
  await inFlight(0);
});

Deno.test("GET /metrics tells how long the KV and the store took, and how often they failed", async () => {
  await using server = await startTestServer();
  await send(server, "/upload_asset", { method: "POST", body: uploadForm("x") });
  await Deno.remove(`${server.dataDir}/objects`, { recursive: true });
  await Deno.writeTextFile(`${server.dataDir}/objects`, "no folder");
  const failed = await send(server, "/upload_asset", {
    method: "POST",
    body: uploadForm("x", { name: "B" }),
  });
  assertError(failed, 502, "storage_error");
  const samples = await scrape(server);
  const of = (what: string, operation: string) =>
    samples.get(`assets_server_${what}{operation="${operation}"}`);
  assert((of("kv_duration_seconds_count", "commit") ?? 0) >= 1);
  assertEquals(of("kv_errors_total", "commit"), 0);
  assertEquals(of("object_store_duration_seconds_count", "put"), 2);
  assertEquals(of("object_store_errors_total", "put"), 1);
  assert((of("object_store_duration_seconds_sum", "put") ?? 0) > 0);
});

for (const mode of ["assets-db", "registry"]) {
  Deno.test(`GET /metrics of ${mode} shows the process, and needs a token where reading does`, async () => {
    await using server = await startTestServer({
      mode,
      authReadToken: "SECRET-r",
      authWriteToken: "SECRET-w",
    });
    assertError(await send(server, "/metrics"), 401, "unauthenticated");
    const samples = await scrape(server, { Authorization: "Bearer SECRET-r" });
    assert(![...samples.keys()].join().includes("SECRET"));
    assert((samples.get("process_resident_memory_bytes") ?? 0) > 10_000_000);
    const startedAt = samples.get("process_start_time_seconds") ?? 0;
    assert(Math.abs(startedAt - Date.now() / 1000) < 3600 * 24, String(startedAt));
    assertEquals(
      samples.get(mode === "registry" ? "assets_server_registry_entries" : "assets_server_assets_stored"),
      0,
    );
    assert([...samples.keys()].some((key) => key.startsWith(`assets_server_info{mode="${mode}",version="`)));
  });

  Deno.test(`GET /livez and /readyz of ${mode} are open to all`, async () => {
    await using server = await startTestServer({ mode, authReadToken: "r" });
    const alive = assertStatus(await send(server, "/livez"), 200);
    assertEquals([alive.body.success, alive.body.message], [true, "alive"]);
    assertEquals(assertStatus(await send(server, "/readyz"), 200).body.success, true);
    assertStatus(await send(server, "/livez", { method: "HEAD" }), 200);
  });
}

Deno.test("GET /readyz is 503 while the object store is away, /livez is 200", async () => {
  const keys = { s3AccessKeyId: "k", s3SecretAccessKey: "s" };
  await using server = await startTestServer({ s3Bucket: "assets", s3Endpoint: refusedUrl(), ...keys });
  const ready = assertStatus(await send(server, "/readyz"), 503);
  assertEquals(ready.body.success, false);
  assertStatus(await send(server, "/livez"), 200);
});

Deno.test("A client that hangs on to a connection is answered on it one request after another", async () => {
  await using server = await startTestServer();
  using connection = await connect(server);
  for (let n = 0; n < 3; n++) {
    await writeAll(connection, `GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: id-${n}\r\n\r\n`);
    assertEquals((await readAnswer(connection)).headers.get("x-request-id"), `id-${n}`);
  }
});
