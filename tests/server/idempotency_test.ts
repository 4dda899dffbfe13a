/** `Idempotency-Key` on every route that changes something: a request that is repeated with its key is done once. */
import { assert, assertEquals } from "@std/assert";
import { describeAssetsDb } from "../../src/assets/openapi.ts";
import { asJsonObject } from "../../src/collection/json.ts";
import { describeRegistry } from "../../src/registry/openapi.ts";
import { assertError, assertStatus, at, created, send, textAt } from "./client.ts";
import { json, startTestServer, type TestServer, uploadForm } from "./harness.ts";
import { tusMetadata } from "./tus_suite.ts";

const VERSION = { version: "1", tag: "t" };
const TUS = { "Tus-Resumable": "1.0.0" };
const CHUNK = "application/offset+octet-stream";

/** One route, and how to see that it was done once. */
interface Case {
  /** Makes what the request needs; returns its path. */
  prepare?: (server: TestServer) => Promise<string>;
  path?: string;
  /** The same request each time, but for its key. */
  request: () => RequestInit;
  /** Another one, for which the key must not be taken. */
  other?: () => RequestInit;
  status: number;
  /** Done between two of the same: would show if the second were done, too. */
  between?: (server: TestServer, path: string) => Promise<unknown>;
  /** What there is afterwards. */
  state: (server: TestServer, path: string) => Promise<unknown>;
  expected: unknown;
  /** The status of the repetition where that is another one, because the route has its own way to tell. */
  repeated?: number;
}

/** These find and change nothing. */
const QUERIES = ["post /assets", "post /asset_registries"];

const names = async (server: TestServer, route = "/assets", field = "asset_name") => {
  const { body } = await send(server, route, json("POST", {}));
  const data = Array.isArray(body.data) ? body.data : [];
  return data.map((one) => asJsonObject(one)[field]);
};

const entries = (server: TestServer) => names(server, "/asset_registries", "asset_registry_name");

const tags = async (server: TestServer, path: string) =>
  at((await send(server, path)).body, "data.asset_tags");

const newAsset = (name: string) => async (server: TestServer) =>
  `/asset/${encodeURIComponent((await created(server, { asset_name: name, asset_version: VERSION })).uri)}`;

const beginUpload = async (server: TestServer) => {
  const headers = { ...TUS, "Upload-Length": "2", "Upload-Metadata": tusMetadata() };
  const answer = assertStatus(await send(server, "/uploads/", { method: "POST", headers }), 201);
  return new URL(answer.headers.get("Location") ?? "", server.url).pathname;
};

const uploadsThere = async (server: TestServer, path: string) =>
  (await send(server, path, { method: "HEAD", headers: TUS })).status;

const patchHeaders = { ...TUS, "Upload-Offset": "0", "Content-Type": CHUNK };

const ASSETS_DB: Record<string, Case> = {
  "post /upload_asset": {
    path: "/upload_asset",
    request: () => ({ method: "POST", body: uploadForm("bytes") }),
    other: () => ({ method: "POST", body: uploadForm("other") }),
    status: 201,
    between: (server) => send(server, "/asset/Sample:1.0-initial", { method: "DELETE" }),
    state: (server) => names(server),
    expected: [],
  },
  "post /asset": {
    path: "/asset",
    request: () => json("POST", { asset_name: "A" }),
    other: () => json("POST", { asset_name: "B" }),
    status: 201,
    state: (server) => names(server),
    expected: ["A"],
  },
  "post /assets/bulk": {
    path: "/assets/bulk",
    request: () => bulk(['{"asset_name":"A"}', "no JSON", '{"asset_name":"A"}', '{"asset_name":"B"}']),
    status: 200,
    state: (server) => names(server),
    expected: ["A", "A", "B"],
  },
  "put /asset/{uri}": {
    prepare: newAsset("A"),
    request: () => json("PUT", { asset_tags: ["one"] }),
    other: () => json("PUT", { asset_tags: ["other"] }),
    status: 200,
    between: (server, path) => send(server, path, json("PUT", { asset_tags: ["two"] })),
    state: tags,
    expected: ["two"],
  },
  "delete /asset/{uri}": {
    prepare: newAsset("A"),
    request: () => ({ method: "DELETE" }),
    status: 200,
    between: newAsset("A"),
    state: (server) => names(server),
    expected: ["A"],
  },
  "post /uploads/": {
    path: "/uploads/",
    request: () => tusPost("2"),
    other: () => tusPost("3"),
    status: 201,
    state: async (server) => (await Array.fromAsync(Deno.readDir(`${server.dataDir}/objects/.tmp`))).length,
    expected: 1,
  },
  "patch /uploads/{id}": {
    prepare: beginUpload,
    request: () => ({ method: "PATCH", headers: patchHeaders, body: "xy" }),
    status: 204,
    repeated: 409,
    state: async (server) => [await names(server), await fileOf(server)],
    expected: [["Sample"], "xy"],
  },
  "post /uploads/{id}": {
    prepare: beginUpload,
    request: () => ({
      method: "POST",
      headers: { ...TUS, "X-HTTP-Method-Override": "DELETE" },
    }),
    status: 204,
    state: uploadsThere,
    expected: 404,
  },
  "delete /uploads/{id}": {
    prepare: beginUpload,
    request: () => ({ method: "DELETE", headers: TUS }),
    status: 204,
    state: uploadsThere,
    expected: 404,
  },
};

const newEntry = async (server: TestServer) => {
  await send(server, "/asset_registry", json("POST", { asset_registry_id: "e", asset_registry_name: "E" }));
  return "/asset_registry/e";
};

const REGISTRY: Record<string, Case> = {
  "post /asset_registry": {
    path: "/asset_registry",
    request: () => json("POST", { asset_registry_name: "A" }),
    other: () => json("POST", { asset_registry_name: "B" }),
    status: 201,
    state: entries,
    expected: ["A"],
  },
  "put /asset_registry/{id}": {
    prepare: newEntry,
    request: () => json("PUT", { asset_registry_name: "one" }),
    other: () => json("PUT", { asset_registry_name: "other" }),
    status: 200,
    between: (server, path) => send(server, path, json("PUT", { asset_registry_name: "two" })),
    state: entries,
    expected: ["two"],
  },
  "delete /asset_registry/{id}": {
    prepare: newEntry,
    request: () => ({ method: "DELETE" }),
    status: 200,
    between: newEntry,
    state: entries,
    expected: ["E"],
  },
};

const MODES = [
  { mode: "assets-db", document: describeAssetsDb("0"), cases: ASSETS_DB },
  { mode: "registry", document: describeRegistry("0"), cases: REGISTRY },
] as const;

for (const { mode, document, cases } of MODES) {
  Deno.test(`Idempotency-Key of ${mode}: every route that changes something is among these tests`, () => {
    const routes = Object.entries(asJsonObject(document.paths)).flatMap(([path, item]) =>
      Object.keys(asJsonObject(item)).filter((method) => ["post", "put", "patch", "delete"].includes(method))
        .map((method) => `${method} ${path}`)
    );
    assertEquals(routes.filter((route) => !QUERIES.includes(route)).sort(), Object.keys(cases).sort());
  });

  for (const [route, one] of Object.entries(cases)) {
    Deno.test(`Idempotency-Key of ${mode}: ${route} with the same key is done once, also at once`, async () => {
      await using server = await startTestServer({ mode });
      const path = await one.prepare?.(server) ?? one.path ?? "";
      const ask = (request: RequestInit) => send(server, path, withKey(request));
      const first = assertStatus(await ask(one.request()), one.status);
      await one.between?.(server, path);
      const repeated = await Promise.all(Array.from({ length: 3 }, () => ask(one.request())));
      for (const again of repeated) {
        assertStatus(again, one.repeated ?? one.status);
        if (one.repeated === undefined) {
          assertEquals([again.text, placeIn(again)], [first.text, placeIn(first)]);
        }
      }
      assertEquals(await one.state(server, path), one.expected);
      if (one.other) assertError(await ask(one.other()), 400, "invalid_request");
      assertEquals(await one.state(server, path), one.expected);
    });
  }
}

Deno.test("Idempotency-Key of a creation with bytes: it goes on where the first broke off, and other bytes are 400", async () => {
  await using server = await startTestServer();
  const post = (body: BodyInit, headers: Record<string, string> = {}) =>
    send(
      server,
      "/uploads/",
      withKey({
        method: "POST",
        headers: {
          ...TUS,
          "Upload-Length": "10",
          "Upload-Metadata": tusMetadata(),
          "Content-Type": CHUNK,
          ...headers,
        },
        body,
      }),
    );
  const first = assertStatus(await post("0123"), 201);
  assertEquals(first.headers.get("Upload-Offset"), "4");
  assertError(await post("012x456789"), 400, "invalid_request");
  assertError(await post("012"), 400, "invalid_request");
  const second = assertStatus(await post("012345"), 201);
  assertEquals([second.headers.get("Upload-Offset"), placeIn(second)], ["6", placeIn(first)]);
  const path = new URL(placeIn(first) ?? "", server.url).pathname;
  const headers = { ...TUS, "Upload-Offset": "6", "Content-Type": CHUNK };
  assertStatus(await send(server, path, { method: "PATCH", headers, body: "67" }), 204);
  // What came with other requests is theirs.
  assertEquals(assertStatus(await post("01234567"), 201).headers.get("Upload-Offset"), "8");
  const rest = { ...headers, "Upload-Offset": "8" };
  assertStatus(await send(server, path, { method: "PATCH", headers: rest, body: "89" }), 204);
  const last = assertStatus(await post("012345"), 201);
  assert(last.headers.has("Asset-Id"));
  assertEquals([await names(server), await fileOf(server)], [["Sample"], "0123456789"]);
});

Deno.test("Idempotency-Key of a creation with bytes: of many at once each is answered with the one asset", async () => {
  await using server = await startTestServer();
  const bytes = "x".repeat(300_000);
  const headers = {
    ...TUS,
    "Upload-Length": String(bytes.length),
    "Upload-Metadata": tusMetadata(),
    "Content-Type": CHUNK,
  };
  const post = () => send(server, "/uploads/", withKey({ method: "POST", headers, body: bytes }));
  const answers = await Promise.all(Array.from({ length: 8 }, post));
  for (const answer of answers) assertStatus(answer, 201);
  const ids = answers.map((answer) => answer.headers.get("Asset-Id"));
  assertEquals([new Set(ids).size, ids[0] !== null], [1, true]);
  assertEquals([await names(server), await fileOf(server)], [["Sample"], bytes]);
});

Deno.test("Idempotency-Key of a creation whose upload is gone: 404, and nothing begins", async () => {
  await using server = await startTestServer();
  const begun = assertStatus(await send(server, "/uploads/", withKey(tusPost("2"))), 201);
  const path = new URL(placeIn(begun) ?? "", server.url).pathname;
  assertStatus(await send(server, path, { method: "DELETE", headers: TUS }), 204);
  assertError(await send(server, "/uploads/", withKey(tusPost("2"))), 404, "not_found");
  assertEquals(await Array.fromAsync(Deno.readDir(`${server.dataDir}/objects/.tmp`)), []);
});

function withKey({ headers, ...request }: RequestInit): RequestInit {
  return {
    ...request,
    headers: { ...Object.fromEntries(new Headers(headers)), "Idempotency-Key": "the key" },
  };
}

function placeIn({ headers }: { headers: Headers }): string | null {
  return headers.get("Location");
}

function bulk(lines: string[]): RequestInit {
  return { method: "POST", body: lines.join("\n"), headers: { "Content-Type": "application/x-ndjson" } };
}

function tusPost(sizeBytes: string): RequestInit {
  const headers = { ...TUS, "Upload-Length": sizeBytes, "Upload-Metadata": tusMetadata() };
  return { method: "POST", headers };
}

async function fileOf(server: TestServer): Promise<string> {
  const { body } = await send(server, "/assets", json("POST", {}));
  return (await send(server, `/asset-object/${textAt(body, "data.0.asset_id")}`)).text;
}
