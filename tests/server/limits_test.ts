/** What a request may weigh, wherever that is not tested with its own subject: every limit is a 4xx, and the server serves on. */
import { assert, assertEquals } from "@std/assert";
import { assertError, assertStatus, send } from "./client.ts";
import { assertDescribed } from "./described.ts";
import { json, startTestServer, type TestServer } from "./harness.ts";
import { filePart, metadata, metadataPart, MULTIPART, multipartBody, multipartRequest } from "./multipart.ts";
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
        const body = `{"asset_metadata":${nested(levels - 1)}}`;
        const headers = { "Content-Type": "application/json" };
        assertError(await send(server, path, { method, body, headers }), 400, "invalid_json");
      }
    }
    const [resource, name] = mode === "registry"
      ? ["/asset_registry", "asset_registry_name"]
      : ["/asset", "asset_name"];
    const body = `{"${name}":"deep","${resource.slice(1)}_metadata":{"a":${nested(98)}}}`;
    const headers = { "Content-Type": "application/json" };
    assertStatus(await send(server, resource, { method: "POST", body, headers }), 201);
  }
});

const STILL: Record<string, [method: string, path: string, type: string, begun: string][]> = {
  "assets-db": [
    ["POST", "/asset", "application/json", "{"],
    ["PUT", "/asset/x", "application/json", "{"],
    ["POST", "/assets", "application/json", "{"],
    ["POST", "/upload_asset", MULTIPART, ""],
    ["POST", "/upload_asset", MULTIPART, new TextDecoder().decode(multipartBody([filePart("half")], true))],
    ["PATCH", "/uploads/<id>", "application/offset+octet-stream", "half"],
  ],
  "registry": [
    ["POST", "/asset_registry", "application/json", "{"],
    ["PUT", "/asset_registry/x", "application/json", "{"],
    ["POST", "/asset_registries", "application/json", "{"],
    ["POST", "/assets", "application/json", "{"],
  ],
};

for (const [mode, routes] of Object.entries(STILL)) {
  Deno.test(`A body that stands still is 504 after --idle-timeout on every route of ${mode} that takes one`, async () => {
    await using server = await startTestServer({ mode, idleTimeout: "250ms" });
    const ask = async ([method, route, type, begun]: typeof routes[number], framing: string) => {
      const path = route.endsWith("<id>") ? await beginUpload(server) : route;
      const head = [
        `${method} ${path} HTTP/1.1`,
        "Host: localhost",
        `Content-Type: ${type}`,
        "Tus-Resumable: 1.0.0",
        "Upload-Offset: 0",
        framing,
      ];
      using connection = await connect(server);
      const sent = framing.startsWith("T") && begun ? `${begun.length.toString(16)}\r\n${begun}\r\n` : begun;
      const startedAt = performance.now();
      await writeAll(connection, `${head.join("\r\n")}\r\n\r\n${sent}`);
      const { status, headers, text } = await readAnswer(connection);
      assertDescribed(server.config.mode, method, path, { status, headers: new Headers([...headers]), text });
      assertEquals(
        [status, JSON.parse(text).code],
        [504, "timeout"],
        `${method} ${route} ${framing}: ${text}`,
      );
      assert(performance.now() - startedAt >= 240, `${method} ${route} was given up too early`);
    };
    await Promise.all(
      routes.flatMap((route) =>
        ["Content-Length: 1000", "Transfer-Encoding: chunked"].map((framing) => ask(route, framing))
      ),
    );
    assertStatus(await send(server, "/health"), 200);
  });
}

/** Begins a resumable upload of 1,000 bytes; its path. */
async function beginUpload(server: TestServer): Promise<string> {
  const asset_metadata = btoa(JSON.stringify(metadata(crypto.randomUUID())));
  const headers = {
    "Tus-Resumable": "1.0.0",
    "Upload-Length": "1000",
    "Upload-Metadata": `filename ${btoa("a.bin")},asset_metadata ${asset_metadata}`,
  };
  const { status, headers: answered } = await send(server, "/uploads/", { method: "POST", headers });
  assertEquals(status, 201);
  return new URL(answered.get("Location") ?? "", server.url).pathname;
}

Deno.test("An entry of a registry may have 256 KiB as JSON, and no more", async () => {
  await using server = await startTestServer({ mode: "registry" });
  const entry = (name: string, bytes: number) =>
    json("POST", { asset_registry_name: name, asset_registry_metadata: { text: "x".repeat(bytes) } });
  assertStatus(await send(server, "/asset_registry", entry("large", 255 * 1024)), 201);
  assertError(await send(server, "/asset_registry", entry("larger", 256 * 1024)), 413, "too_large");
});

Deno.test("URLs end at 8,192 characters, ids at 256, a file's type at 1,024, an entry's name at 512", async () => {
  const url = (length: number) => "https://example.com/".padEnd(length, "x");
  const fields: [field: string, most: number, value: (length: number) => unknown][] = [
    ["asset_public_url", 8192, url],
    ["asset_id", 256, (length) => "x".repeat(length)],
    ["asset_file_info", 1024, (length) => ({ file_type: "text/plain;".padEnd(length, "x") })],
  ];
  await using server = await startTestServer();
  for (const [field, most, value] of fields) {
    // A client's own id stands beside a URL alone.
    const body = (length: number) => ({
      asset_name: field,
      asset_public_url: url(30),
      [field]: value(length),
    });
    assertStatus(await send(server, "/asset", json("POST", body(most))), 201);
    assertError(await send(server, "/asset", json("POST", body(most + 1))), 400, "invalid_request");
  }
  const entryFields = [
    ["asset_registry_public_url", 8192, url],
    ["asset_registry_name", 512, (length: number) => "x".repeat(length)],
  ] as const;
  await using registry = await startTestServer({ mode: "registry" });
  for (const [field, most, value] of entryFields) {
    const body = (length: number) => ({ asset_registry_name: field, [field]: value(length) });
    assertStatus(await send(registry, "/asset_registry", json("POST", body(most))), 201);
    assertError(
      await send(registry, "/asset_registry", json("POST", body(most + 1))),
      400,
      "invalid_request",
    );
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

Deno.test("A text part of a form of more than 1 MiB is 413, whatever its name", async () => {
  await using server = await startTestServer();
  const more = (bytes: number) => ({
    headers: [`Content-Disposition: form-data; name="more"`],
    body: "x".repeat(bytes),
  });
  const form = (bytes: number) => multipartRequest([more(bytes), metadataPart(metadata()), filePart()]);
  assertError(await send(server, "/upload_asset", form(2 ** 20 + 1)), 413, "too_large");
  const padded = multipartRequest([filePart(), metadataPart(`{}${" ".repeat(2 ** 20)}`)]);
  assertError(await send(server, "/upload_asset", padded), 413, "too_large");
  assertStatus(await send(server, "/upload_asset", form(2 ** 20 - 1)), 201);
});

Deno.test("A form of more than 32 parts is 400, and leaves nothing", async () => {
  await using server = await startTestServer();
  const form = (count: number) => {
    const more = Array.from({ length: count - 2 }, (_, n) => ({
      headers: [`Content-Disposition: form-data; name="more-${n}"`],
      body: "x",
    }));
    return multipartRequest([...more, metadataPart(metadata()), filePart("x")]);
  };
  assertError(await send(server, "/upload_asset", form(33)), 400, "invalid_request");
  assertEquals((await send(server, "/assets", json("POST", {}))).body.data, []);
  assertStatus(await send(server, "/upload_asset", form(32)), 201);
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
