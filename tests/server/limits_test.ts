/** What a request may weigh, wherever that is not tested with its own subject: every limit is a 4xx, and the server serves on. */
import { assert, assertEquals } from "@std/assert";
import { assertError, assertStatus, send } from "./client.ts";
import { json, startTestServer } from "./harness.ts";
import { filePart, metadata, metadataPart, MULTIPART, multipartBody } from "./multipart.ts";
import { connect, rawRequest, readAnswer, writeAll } from "./raw.ts";

Deno.test("A head of more than 64 KiB, of too many fields, or with a target too long is 400", async () => {
  await using server = await startTestServer();
  // The limits are those of Deno 2.9.6, which answers before the application is asked.
  const fields = (count: number) => Array.from({ length: count }, (_, n) => `X-${n}: y`);
  assertEquals(
    (await rawRequest(server, "GET", "/livez", { headers: [`X-Long: ${"x".repeat(60_000)}`] })).status,
    200,
  );
  assertEquals((await rawRequest(server, "GET", "/livez", { headers: fields(100) })).status, 200);
  assertEquals(
    (await rawRequest(server, "GET", "/livez", { headers: [`X-Long: ${"x".repeat(70_000)}`] })).status,
    400,
  );
  assertEquals((await rawRequest(server, "GET", "/livez", { headers: fields(200) })).status, 400);
  assertEquals((await rawRequest(server, "GET", `/asset/${"x".repeat(70_000)}`)).status, 400);
  assertStatus(await send(server, "/livez"), 200);
});

Deno.test("A JSON body of 101 levels is 400 on every route that takes one, and one of a million levels too", async () => {
  const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
  const routes: Record<string, [string, string][]> = {
    "assets-db": [["POST", "/asset"], ["PUT", "/asset/x"], ["POST", "/assets"]],
    "registry": [["POST", "/asset_registry"], ["PUT", "/asset_registry/x"], ["POST", "/asset_registries"]],
  };
  for (const [mode, all] of Object.entries(routes)) {
    await using server = await startTestServer({ mode });
    for (const [method, path] of all) {
      for (const levels of [101, 500_000]) {
        const body = `{"asset_metadata":${nested(levels)}}`;
        const headers = { "Content-Type": "application/json" };
        assertError(await send(server, path, { method, body, headers }), 400, "invalid_json");
      }
    }
  }
});

Deno.test("A part whose headers do not end is 400 as soon as that is known", async () => {
  await using server = await startTestServer();
  using connection = await connect(server);
  const head = `POST /upload_asset HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n`;
  await writeAll(connection, `${head}Content-Length: 1000000000\r\n\r\n--b\r\nX-Endless: `);
  const writing = (async () => {
    for (let n = 0; n < 1000; n++) await writeAll(connection, "x".repeat(1_000_000));
    return "all of it was taken";
  })().catch(() => "cut off");
  const answer = await readAnswer(connection);
  assertEquals([answer.status, JSON.parse(answer.text).code], [400, "invalid_request"]);
  connection.close();
  assertEquals(await writing, "cut off");
});

Deno.test("A form of more than 32 parts is 400, and leaves nothing", async () => {
  await using server = await startTestServer();
  const parts = Array.from({ length: 40 }, () => metadataPart(metadata()));
  const body = multipartBody([...parts, filePart("x")]);
  const headers = { "Content-Type": MULTIPART };
  assertError(await send(server, "/upload_asset", { method: "POST", body, headers }), 400, "invalid_request");
  assertEquals((await send(server, "/assets", json("POST", {}))).body.data, []);
});

Deno.test("Connections that never finish their head do not keep others out", async () => {
  await using server = await startTestServer();
  const open = [];
  try {
    for (let n = 0; n < 200; n++) {
      const connection = await connect(server);
      open.push(connection);
      await writeAll(connection, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    }
    const startedAt = performance.now();
    assertStatus(await send(server, "/health"), 200);
    assert(performance.now() - startedAt < 5000);
  } finally {
    for (const connection of open) connection.close();
  }
});
