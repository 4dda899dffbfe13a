import { assert, assertEquals } from "@std/assert";
import { assertError, assertStatus, at, created, query, send, textAt, upload } from "./client.ts";
import { refusedUrl, startFake } from "./fake_server.ts";
import { startTestServer } from "./harness.ts";

const KEYS = { s3AccessKeyId: "k", s3SecretAccessKey: "s" };

for (const mode of ["assets-db", "registry"]) {
  Deno.test(`GET /health of ${mode} answers 200 healthy to GET and HEAD`, async () => {
    await using server = await startTestServer({ mode });
    const answer = assertStatus(await send(server, "/health"), 200);
    assertEquals([answer.body.success, answer.body.message], [true, "healthy"]);
    assertStatus(await send(server, "/health", { method: "HEAD" }), 200);
  });
}

Deno.test("GET /health answers 503 with the checks when nobody listens at the S3 endpoint", async () => {
  await using server = await startTestServer({ s3Bucket: "assets", s3Endpoint: refusedUrl(), ...KEYS });
  const answer = assertStatus(await send(server, "/health"), 503);
  assertEquals([answer.body.success, answer.body.message], [false, "unhealthy"]);
  const checks = JSON.stringify(answer.body.checks);
  assert(typeof answer.body.checks === "object" && checks.length > 2, answer.text);
  assert(checks.includes('"unhealthy"') && checks.includes('"healthy"'), checks);
  assertStatus(await send(server, "/health", { method: "HEAD" }), 503);
});

Deno.test("GET /health answers 503 when the bucket is not there", async () => {
  await using s3 = startFake(() => new Response("<Error><Code>NoSuchBucket</Code></Error>", { status: 404 }));
  await using server = await startTestServer({ s3Bucket: "assets", s3Endpoint: s3.url, ...KEYS });
  const answer = assertStatus(await send(server, "/health"), 503);
  assertEquals(answer.body.message, "unhealthy");
});

Deno.test("POST /upload_asset answers 502 storage_error when the store refuses, and leaves no document", async () => {
  await using s3 = startFake(async (request) => {
    await request.body?.cancel();
    return new Response("<Error><Code>AccessDenied</Code><Message>No.</Message></Error>", { status: 403 });
  });
  await using server = await startTestServer({ s3Bucket: "assets", s3Endpoint: s3.url, ...KEYS });
  for (const bytes of ["small", new Uint8Array(9 * 2 ** 20)]) {
    assertError(await upload(server, bytes), 502, "storage_error");
    assertEquals((await query(server, {})).body.data, []);
  }
  // Documents need no object store.
  await created(server, { asset_name: "Elsewhere", asset_public_url: "https://e.example.com/a" });
});

Deno.test("POST /upload_asset answers 502 storage_error when nobody listens at the S3 endpoint", async () => {
  await using server = await startTestServer({ s3Bucket: "assets", s3Endpoint: refusedUrl(), ...KEYS });
  assertError(await upload(server, "bytes"), 502, "storage_error");
  assertEquals((await query(server, {})).body.data, []);
});

Deno.test("GET /asset-object answers 502 storage_error, and no half download, when the store fails", async () => {
  let isBroken = false;
  await using s3 = startFake(async (request) => {
    await request.body?.cancel();
    if (isBroken) return new Response("<Error><Code>AccessDenied</Code></Error>", { status: 403 });
    return new Response(null, { headers: { ETag: '"e"' } });
  });
  await using server = await startTestServer({ s3Bucket: "assets", s3Endpoint: s3.url, ...KEYS });
  const answer = assertStatus(await upload(server, "bytes"), 201);
  isBroken = true;
  const path = `/asset-object/${textAt(answer.body, "asset_id")}`;
  assertError(await send(server, path), 502, "storage_error");
  assertEquals(at((await send(server, `/asset/${textAt(answer.body, "asset_uri")}`)).body, "success"), true);
});
