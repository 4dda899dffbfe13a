/** Documents: their sizes, their keys, their entity tags, and what a new public URL does to them. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { asJsonObject } from "../../src/collection/json.ts";
import {
  assertError,
  assertStatus,
  at,
  created,
  deleteAsset,
  getAsset,
  namesOf,
  postAsset,
  putAsset,
  query,
  send,
  textAt,
  upload,
  uploaded,
} from "./client.ts";
import { registerFor, type Suite } from "./suite.ts";

const VERSION = { version: "1", tag: "t" };
const KIB = 1024;

/** A document of about this many bytes, in many small fields. */
function metadataOf(sizeBytes: number): Record<string, string> {
  const count = Math.floor(sizeBytes / 1000);
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, `${n}`.padEnd(988, "é")]));
}

export function documentTests(suite: Suite): void {
  const test = registerFor(suite);

  test("Documents on both sides of 64 KiB are made, read, found, grown, shrunk and removed", async (server) => {
    for (const sizeKib of [1, 60, 63, 64, 65, 100, 250]) {
      const text = "x".repeat(sizeKib * KIB);
      const asset_metadata = { text, size: sizeKib };
      const { uri, asset } = await created(server, {
        asset_name: `S${sizeKib}`,
        asset_version: VERSION,
        asset_metadata,
      });
      assertEquals((await getAsset(server, uri)).body.data, asset);
      assertEquals((await query(server, { "asset_metadata.size": sizeKib })).body.data, [asset]);
      assertEquals(await namesOf(server, { "asset_metadata.text": text.slice(0, 10) }), []);
      const small = assertStatus(await putAsset(server, uri, { "asset_metadata.text": "small" }), 200);
      assertEquals((await getAsset(server, uri)).body.data, at(small.body, "data.asset"));
      const large = assertStatus(await putAsset(server, uri, { "asset_metadata.text": `${text}!` }), 200);
      assertEquals(at(large.body, "data.asset.asset_metadata.text"), `${text}!`);
      assertEquals((await getAsset(server, uri)).body.data, at(large.body, "data.asset"));
      assertStatus(await deleteAsset(server, uri), 200);
      assertError(await getAsset(server, uri), 404, "not_found");
      assertEquals((await query(server, {})).body.data, []);
    }
  });

  test("A large document of many multi-byte fields comes back whole, and so after an upload", async (server) => {
    const asset_metadata = metadataOf(120 * KIB);
    const { uri } = await uploaded(server, "x", { more: { asset_metadata } });
    assertEquals(at((await getAsset(server, uri)).body, "data.asset_metadata"), asset_metadata);
    await server.restart();
    assertEquals(at((await getAsset(server, uri)).body, "data.asset_metadata"), asset_metadata);
  });

  test("A document may have 256 KiB as JSON and not a byte more", async (server) => {
    const body = (text: string) => ({
      asset_name: "Exact",
      asset_id: "exact",
      asset_version: VERSION,
      asset_public_url: "https://files.example.com/a",
      asset_metadata: { text },
    });
    const { uri, asset } = await created(server, body(""));
    const room = 256 * KIB - new TextEncoder().encode(JSON.stringify(asset)).length;
    assertError(
      await putAsset(server, uri, { asset_metadata: { text: "x".repeat(room + 1) } }),
      413,
      "too_large",
    );
    assertEquals((await getAsset(server, uri)).body.data, asset);
    assertStatus(await putAsset(server, uri, { asset_metadata: { text: "x".repeat(room) } }), 200);
    assertStatus(await deleteAsset(server, uri), 200);
    assertError(await postAsset(server, body("x".repeat(room + 1))), 413, "too_large");
    // Bytes, not characters.
    assertError(await postAsset(server, body("é".repeat(room / 2 + 1))), 413, "too_large");
    assertEquals((await query(server, {})).body.data, []);
    await created(server, body("x".repeat(room)));
  });

  test("An upload whose document is too large is 413 and leaves nothing", async (server) => {
    const more = { asset_metadata: { text: "x".repeat(257 * KIB) } };
    assertError(await upload(server, "x", { more }), 413, "too_large");
    assertEquals((await query(server, {})).body.data, []);
  });

  test("Keys that JavaScript knows are data like any other and pollute nothing", async (server) => {
    const text =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},"toString":"s","hasOwnProperty":3}';
    const body = `{"asset_name":"Proto","asset_version":{"version":"1","tag":"t"},"asset_metadata":${text}}`;
    const headers = { "Content-Type": "application/json" };
    assertStatus(await send(server, "/asset", { method: "POST", body, headers }), 201);
    const uri = "Proto:1-t";
    const stored = async () => {
      const answer = await getAsset(server, uri);
      return JSON.stringify(asJsonObject(at(answer.body, "data.asset_metadata")));
    };
    assertEquals(await stored(), text);
    assert((await query(server, {})).text.includes(text), "the query shows it otherwise");
    assertEquals(await namesOf(server, { "asset_metadata.constructor.prototype.polluted": 2 }), ["Proto"]);
    for (const path of ["__proto__.more", "constructor.prototype.more"]) {
      const changes = `{"asset_metadata.${path}":true}`;
      const answer = await send(server, `/asset/${uri}`, { method: "PUT", body: changes, headers });
      assertStatus(answer, 200);
    }
    assertEquals(
      await stored(),
      text.replace('{"polluted":1}', '{"polluted":1,"more":true}').replace(
        '{"polluted":2}',
        '{"polluted":2,"more":true}',
      ),
    );
    const whole = `{"asset_metadata":${text}}`;
    assertStatus(await send(server, `/asset/${uri}`, { method: "PUT", body: whole, headers }), 200);
    assertEquals(await stored(), text);
    const top = '{"asset_name":"Top","__proto__":{"asset_tags":["x"]}}';
    assertError(await send(server, "/asset", { method: "POST", body: top, headers }), 400, "invalid_request");
    assertError(
      await send(server, `/asset/${uri}`, { method: "PUT", body: '{"__proto__":{"a":1}}', headers }),
      400,
      "invalid_request",
    );
    const plain: Record<string, unknown> = {};
    assertEquals([plain.polluted, plain.more], [undefined, undefined]);
  });

  test("GET sends a strong ETag that changes with the asset; If-None-Match answers 304", async (server) => {
    const { uri } = await created(server, { asset_name: "A", asset_version: VERSION });
    const get = (tag: string, method = "GET") =>
      send(server, `/asset/${uri}`, { method, headers: { "If-None-Match": tag } });
    const first = (await getAsset(server, uri)).headers.get("ETag") ?? "";
    assert(/^"[^"]+"$/.test(first), first);
    assertEquals((await getAsset(server, uri)).headers.get("ETag"), first);
    for (const tag of [first, `"x", ${first}`, `W/${first}`, "*"]) {
      const answer = assertStatus(await get(tag), 304);
      assertEquals(answer.text, "");
      assertEquals(answer.headers.get("ETag"), first);
      assertStatus(await get(tag, "HEAD"), 304);
    }
    assertStatus(await get('"other"'), 200);
    const matching = (tag: string) => send(server, `/asset/${uri}`, { headers: { "If-Match": tag } });
    assertStatus(await matching(first), 200);
    assertError(await matching('"other"'), 412, "precondition_failed");
    assertStatus(await putAsset(server, uri, { asset_tags: ["x"] }), 200);
    const second = (await getAsset(server, uri)).headers.get("ETag");
    assertNotEquals(second, first);
    assertStatus(await get(first), 200);
  });

  test("If-Match on PUT and DELETE is 412 when stale and changes nothing", async (server) => {
    const { uri } = await uploaded(server, "x");
    const etag = async () => (await getAsset(server, uri)).headers.get("ETag") ?? "";
    const stale = await etag();
    assertStatus(await putAsset(server, uri, { asset_tags: ["1"] }, { "If-Match": stale }), 200);
    for (const tag of [stale, '"other"', `W/${await etag()}`]) {
      const put = await putAsset(server, uri, { asset_tags: ["2"] }, { "If-Match": tag });
      assertError(put, 412, "precondition_failed");
      assertError(await deleteAsset(server, uri, { "If-Match": tag }), 412, "precondition_failed");
    }
    assertEquals(at((await getAsset(server, uri)).body, "data.asset_tags"), ["1"]);
    assertStatus(await putAsset(server, uri, { asset_tags: ["3"] }, { "If-Match": "*" }), 200);
    assertStatus(
      await putAsset(server, uri, { asset_tags: ["4"] }, { "If-Match": `"x", ${await etag()}` }),
      200,
    );
    assertStatus(await deleteAsset(server, uri, { "If-Match": await etag() }), 200);
    assertError(await getAsset(server, uri), 404, "not_found");
  });

  test(
    "A changed --public-url changes the answers and the filters of stored files, and nobody else's",
    async (server) => {
      const elsewhere = "https://elsewhere.example.com/x";
      const { id, uri } = await uploaded(server, "x", { name: "Here" });
      await created(server, { asset_name: "There", asset_public_url: elsewhere });
      const before = textAt((await getAsset(server, uri)).body, "data.asset_public_url");
      assertEquals(before, `https://one.example.com/db/asset-object/${id}`);
      assertEquals(await namesOf(server, { asset_public_url: before }), ["Here"]);
      const etag = (await getAsset(server, uri)).headers.get("ETag") ?? "";
      await server.restart({ publicUrl: "https://two.example.com/" });
      const after = `https://two.example.com/asset-object/${id}`;
      assertEquals(at((await getAsset(server, uri)).body, "data.asset_public_url"), after);
      assertEquals(await namesOf(server, { asset_public_url: after }), ["Here"]);
      assertEquals(await namesOf(server, { asset_public_url: before }), []);
      assertEquals(await namesOf(server, { asset_public_url: { $regex: "^https://two\\." } }), ["Here"]);
      assertEquals(await namesOf(server, { asset_public_url: elsewhere }), ["There"]);
      assertEquals(await namesOf(server, {}, "?sort=-asset_public_url"), ["Here", "There"]);
      const changed = assertStatus(await putAsset(server, uri, { asset_tags: ["x"] }), 200);
      assertEquals(at(changed.body, "data.asset.asset_public_url"), after);
      const cached = await send(server, `/asset/${uri}`, { headers: { "If-None-Match": etag } });
      assertStatus(cached, 200);
      assertEquals((await send(server, `/asset-object/${id}`)).text, "x");
    },
    { publicUrl: "https://one.example.com/db" },
  );

  test("A strong ETag is another one where the public URL made the answer another", async (server) => {
    const { uri } = await uploaded(server, "x");
    const etag = (await getAsset(server, uri)).headers.get("ETag") ?? "";
    await server.restart({ publicUrl: "https://two.example.com" });
    const answer = await send(server, `/asset/${uri}`, { headers: { "If-None-Match": etag } });
    assertStatus(answer, 200);
  }, { publicUrl: "https://one.example.com" });

  test("A file of another Assets DB of the same KV is a 307 to its public URL", async (server) => {
    const { id, asset } = await uploaded(server, "x");
    assertEquals(asset.assets_db_id, "db-one");
    const url = textAt(asset, "asset_public_url");
    await server.restart({ assetsDbId: "db-two", publicUrl: "https://two.example.com" });
    assertEquals((await getAsset(server, id)).body.data, asset);
    const answer = assertStatus(await send(server, `/asset-object/${id}`), 307);
    assertEquals(answer.headers.get("Location"), url);
  }, { assetsDbId: "db-one", publicUrl: "https://one.example.com" });

  test("--assets-db-id is made once and kept", async (server) => {
    const first = await created(server, { asset_name: "A" });
    await server.restart();
    const second = await created(server, { asset_name: "B" });
    assertEquals(first.asset.assets_db_id, second.asset.assets_db_id);
    assert(textAt(first.asset, "assets_db_id") !== "");
  });
}
