/** What holds for every route: envelopes, errors, headers, methods, bodies, `Host`. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { asJsonObject } from "../../src/collection/json.ts";
import {
  type Answer,
  assertAsset,
  assertError,
  assertStatus,
  at,
  created,
  detailPaths,
  listAt,
  postAsset,
  putAsset,
  query,
  send,
  uploaded,
} from "./client.ts";
import { json } from "./harness.ts";
import { connect, rawRequest, writeAll } from "./raw.ts";
import { registerFor, type Suite } from "./suite.ts";

const JSON_ROUTES: [string, string][] = [["POST", "/asset"], ["PUT", "/asset/A:1-t"], ["POST", "/assets"]];

export function httpTests(suite: Suite): void {
  const test = registerFor(suite);

  test("Every route that returns an asset returns exactly the nine fields", async (server) => {
    const { uri, id, asset } = await uploaded(server, "x");
    assertAsset(asset);
    const { asset: made } = await created(server, { asset_name: "Made" });
    assertAsset(made);
    for (const reference of [uri, id]) {
      assertAsset((await send(server, `/asset/${reference}`)).body.data);
      assertAsset(at((await putAsset(server, reference, { asset_tags: [reference] })).body, "data.asset"));
    }
    const all = listAt((await query(server, {})).body, "data");
    assertEquals(all.length, 2);
    all.forEach((one) => assertAsset(one));
    const lines = await query(server, {}, "?limit=2", { Accept: "application/x-ndjson" });
    lines.text.trim().split("\n").forEach((line) => assertAsset(JSON.parse(line)));
  });

  test("GET /asset answers exactly success and data", async (server) => {
    const { uri, asset } = await uploaded(server, "x");
    assertEquals((await send(server, `/asset/${uri}`)).body, { success: true, data: asset });
  });

  test("Every answer has an X-Request-Id: the client's own if it is sane, else a new one", async (server) => {
    const { uri, id } = await uploaded(server, "x");
    const paths = [`/asset/${uri}`, `/asset-object/${id}`, "/health", "/nowhere", "/asset/nothing"];
    for (const path of paths) {
      const own = await send(server, path, { headers: { "X-Request-Id": "req-123_ABC" } });
      assertEquals(own.headers.get("X-Request-Id"), "req-123_ABC", path);
      for (const insane of ["x".repeat(129), "x".repeat(2000), 'a b"<script>', "a,b;c\\d"]) {
        const { headers } = await send(server, path, { headers: { "X-Request-Id": insane } });
        const made = headers.get("X-Request-Id") ?? "";
        assert(made !== "" && made !== insane, path);
      }
      const first = (await send(server, path)).headers.get("X-Request-Id");
      const second = (await send(server, path)).headers.get("X-Request-Id");
      assertNotEquals(first, second);
    }
    const long = await send(server, "/health", { headers: { "X-Request-Id": "x".repeat(128) } });
    assertEquals(long.headers.get("X-Request-Id"), "x".repeat(128));
    const queried = await query(server, {}, "", { "X-Request-Id": "req-query" });
    assertEquals(queried.headers.get("X-Request-Id"), "req-query");
    const lines = await query(server, {}, "?limit=1", {
      "Accept": "application/x-ndjson",
      "X-Request-Id": "req-lines",
    });
    assertEquals(lines.headers.get("X-Request-Id"), "req-lines");
    const unmodified = await send(server, `/asset-object/${id}`, { headers: { "If-None-Match": "*" } });
    assertEquals([unmodified.status, unmodified.headers.has("X-Request-Id")], [304, true]);
    const malformed = await rawRequest(server, "GET", "/health", { host: "a b" });
    assert(malformed.headers.has("x-request-id"), "no X-Request-Id on a malformed request");
  });

  test("HEAD works wherever GET does", async (server) => {
    const { uri, id } = await uploaded(server, "x");
    for (
      const path of [
        `/asset/${uri}`,
        `/asset/${id}`,
        `/asset-object/${id}`,
        "/health",
        "/asset/no",
        "/nowhere",
      ]
    ) {
      const get = await send(server, path);
      const head = await send(server, path, { method: "HEAD" });
      assertEquals(head.status, get.status, path);
      assertEquals(head.text, "");
      assertEquals(head.headers.get("Content-Type"), get.headers.get("Content-Type"));
      assertEquals(head.headers.get("ETag"), get.headers.get("ETag"));
      // RFC 9110 §8.6: none, or that of GET's body. What /health says is never the same.
      if (path === "/health") continue;
      const length = head.headers.get("Content-Length");
      if (length !== null) assertEquals(Number(length), new TextEncoder().encode(get.text).length, path);
    }
  });

  test("Another method on a known path is 405 with Allow", async (server) => {
    const routes: [string, string[], string[]][] = [
      ["/asset", ["GET", "PUT", "DELETE", "PATCH"], ["POST"]],
      ["/assets", ["GET", "PUT", "DELETE"], ["POST"]],
      ["/upload_asset", ["GET", "PUT", "DELETE"], ["POST"]],
      ["/asset/A:1-t", ["POST", "PATCH"], ["DELETE", "GET", "HEAD", "PUT"]],
      ["/asset-object/x", ["POST", "PUT", "DELETE", "PATCH"], ["GET", "HEAD"]],
      ["/health", ["POST", "PUT", "DELETE"], ["GET", "HEAD"]],
    ];
    for (const [path, methods, allowed] of routes) {
      for (const method of methods) {
        const answer = assertError(await send(server, path, { method }), 405, "method_not_allowed");
        const allow = (answer.headers.get("Allow") ?? "").split(/,\s*/).filter((one) => one !== "OPTIONS");
        assertEquals(allow.sort(), allowed, `${method} ${path}`);
      }
    }
  });

  test("An unknown path is 404 route_not_found", async (server) => {
    for (
      const path of [
        "/nowhere",
        "/nowhere/",
        "/assetss",
        "/asset_registry",
        "/upload_asset/x",
        "/assets/",
        "/Assets",
      ]
    ) {
      for (const method of ["GET", "POST"]) {
        assertError(await send(server, path, { method }), 404, "route_not_found");
      }
    }
  });

  test("JSON bodies need application/json or +json; anything else is 415", async (server) => {
    await created(server, { asset_name: "A", asset_version: { version: "1", tag: "t" } });
    const types = [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/jsonx",
      "multipart/form-data",
    ];
    for (const [method, path] of JSON_ROUTES) {
      for (const type of types) {
        const answer = await send(server, path, { method, body: "{}", headers: { "Content-Type": type } });
        assertError(answer, 415, "unsupported_media_type");
      }
      const untyped = { method, body: new TextEncoder().encode("{}") };
      assertError(await send(server, path, untyped), 415, "unsupported_media_type");
    }
    for (const type of ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"]) {
      const init = { method: "POST", body: "{}", headers: { "Content-Type": type } };
      assertStatus(await send(server, "/assets", init), 200);
    }
  });

  test("A body that is no JSON is 400 invalid_json", async (server) => {
    await created(server, { asset_name: "A", asset_version: { version: "1", tag: "t" } });
    const headers = { "Content-Type": "application/json" };
    const bodies = [
      "",
      "{",
      "{'a': 1}",
      '{"asset_name": undefined}',
      "{} {}",
      new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    ];
    for (const [method, path] of JSON_ROUTES) {
      for (const body of bodies) {
        assertError(await send(server, path, { method, body, headers }), 400, "invalid_json");
      }
    }
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    assertError(await send(server, "/asset", { method: "POST", body: deep, headers }), 400, "invalid_json");
  });

  test("A JSON body over 1 MiB is 413", async (server) => {
    await created(server, { asset_name: "A", asset_version: { version: "1", tag: "t" } });
    const padded = (sizeBytes: number) => `{}${" ".repeat(sizeBytes - 2)}`;
    const headers = { "Content-Type": "application/json" };
    for (const [method, path] of JSON_ROUTES) {
      const answer = await send(server, path, { method, body: padded(2 ** 20 + 1), headers });
      assertError(answer, 413, "too_large");
    }
    const exact = await send(server, "/asset/A:1-t", { method: "PUT", body: padded(2 ** 20), headers });
    assertStatus(exact, 200);
    // Without a Content-Length too.
    const chunked = new Blob([padded(3 * 2 ** 20)]).stream();
    assertError(await send(server, "/asset", { method: "POST", body: chunked, headers }), 413, "too_large");
  });

  test("A validation error lists every offending field in details as path and message", async (server) => {
    const answer = await postAsset(server, { asset_tags: 1, asset_metadata: 2, colour: "red" });
    assertError(answer, 400, "invalid_request");
    assertEquals(detailPaths(answer), ["asset_metadata", "asset_name", "asset_tags", "colour"]);
    for (const detail of listAt(answer.body, "details")) {
      assertEquals(Object.keys(asJsonObject(detail)).sort(), ["message", "path"]);
    }
  });

  test("A malformed Host or request target gets an answer in our envelope, and never a bare 500", async (server) => {
    for (const host of ["a b", "a<b>", "[::1", "host:port", "a/b", "%"]) {
      const answer = await rawRequest(server, "GET", "/health", { host });
      assertEquals(answer.status, 400, `${host}: ${answer.text}`);
      // A server may refuse it before there is a request to speak of; if it says something, it is our envelope.
      if (answer.text !== "") {
        assertEquals(at(asJsonObject(JSON.parse(answer.text)), "code"), "invalid_request");
      }
    }
    for (const target of ["*", "health", "http://other.example.com/health", "//health"]) {
      const { status, text } = await rawRequest(server, "GET", target);
      assert(status < 500, `${target}: ${status} ${text}`);
    }
    assertStatus(await send(server, "/health"), 200);
  });

  test("Bytes that are no HTTP do not hurt the server", async (server) => {
    using connection = await connect(server);
    await writeAll(connection, "\0\u0001nonsense\r\n\r\n");
    await connection.read(new Uint8Array(1000));
    assertStatus(await send(server, "/health"), 200);
  });

  test("GET /health says healthy and what was checked", async (server) => {
    const answer: Answer = assertStatus(await send(server, "/health"), 200);
    assertEquals([answer.body.success, answer.body.message], [true, "healthy"]);
  });

  test("Data survives a restart", async (server) => {
    const { uri, id, asset } = await uploaded(server, "the bytes");
    await server.restart();
    const { asset_public_url: _, ...kept } = asJsonObject((await send(server, `/asset/${uri}`)).body.data);
    const { asset_public_url: __, ...before } = asset;
    assertEquals(kept, before);
    assertEquals((await send(server, `/asset-object/${id}`)).text, "the bytes");
    assertError(
      await send(server, "/asset", json("POST", { asset_name: "A", asset_id: id })),
      409,
      "already_exists",
    );
  });
}
