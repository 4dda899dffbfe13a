/** `PUT /asset/<asset_uri>` and `DELETE`. */
import { assertEquals } from "@std/assert";
import {
  assertAsset,
  assertError,
  assertLeft,
  assertStatus,
  at,
  created,
  deleteAsset,
  detailPaths,
  getAsset,
  keysOf,
  putAsset,
  query,
  send,
  textAt,
  upload,
  uploaded,
} from "./client.ts";
import { registerFor, type Suite } from "./suite.ts";

const VERSION = { version: "1", tag: "t" };

export function updateTests(suite: Suite): void {
  const test = registerFor(suite);

  test("PUT answers 200 with message and asset, as GET shows it from then on", async (server) => {
    const { uri } = await uploaded(server, "x", { more: { asset_metadata: { a: 1, b: 2 } } });
    const answer = assertStatus(await putAsset(server, uri, { asset_tags: ["new"] }), 200);
    assertEquals(keysOf(answer.body), ["data", "success"]);
    assertEquals(keysOf(answer.body.data), ["asset", "message"]);
    assertEquals(at(answer.body, "data.message"), "Asset updated");
    const asset = assertAsset(at(answer.body, "data.asset"));
    assertEquals(asset.asset_tags, ["new"]);
    assertEquals(asset.asset_metadata, { a: 1, b: 2 });
    assertEquals((await getAsset(server, uri)).body.data, asset);
    assertEquals((await query(server, { asset_tags: "new" })).body.data, [asset]);
  });

  test("PUT replaces a top-level field whole, and a dotted path sets that leaf", async (server) => {
    const { uri } = await created(server, {
      asset_name: "A",
      asset_version: VERSION,
      asset_metadata: { description: "old", keep: { deep: [1, 2] } },
    });
    const dotted = await putAsset(server, uri, {
      "asset_metadata.description": "new",
      "asset_metadata.keep.more": { x: null },
      "asset_version.tag": "u",
    });
    assertStatus(dotted, 200);
    assertEquals(at(dotted.body, "data.asset.asset_metadata"), {
      description: "new",
      keep: { deep: [1, 2], more: { x: null } },
    });
    assertEquals(at(dotted.body, "data.asset.asset_uri"), "A:1-u");
    const whole = await putAsset(server, "A:1-u", { asset_metadata: { replaced: true } });
    assertEquals(at(whole.body, "data.asset.asset_metadata"), { replaced: true });
  });

  test("PUT of half an asset_version leaves no asset with half of one", async (server) => {
    const { id, uri } = await created(server, { asset_name: "A", asset_version: VERSION });
    const answer = await putAsset(server, uri, { asset_version: { version: "2" } });
    const { status } = answer;
    const expected = status === 200 ? { version: "2", tag: "" } : VERSION;
    if (status !== 200) assertError(answer, 400, "invalid_request");
    assertEquals(at((await getAsset(server, id)).body, "data.asset_version"), expected);
  });

  test("A dotted path makes the parents it lacks", async (server) => {
    const { uri } = await created(server, { asset_name: "A", asset_version: VERSION });
    const answer = await putAsset(server, uri, { "asset_metadata.a.b.c": 1, "asset_metadata.a.d": [2] });
    assertStatus(answer, 200);
    assertEquals(at(answer.body, "data.asset.asset_metadata"), { a: { b: { c: 1 }, d: [2] } });
  });

  test("A dotted path through something that is not an object is 400 and changes nothing", async (server) => {
    const asset_metadata = { text: "x", number: 1, list: [{ a: 1 }], nothing: null };
    const { uri, asset } = await created(server, { asset_name: "A", asset_version: VERSION, asset_metadata });
    for (const path of ["text.a", "number.a.b", "list.0.a", "list.a", "nothing.a"]) {
      const changes = { asset_tags: ["half"], [`asset_metadata.${path}`]: 5 };
      assertError(await putAsset(server, uri, changes), 400, "invalid_request");
    }
    for (const path of ["asset_name.first", "asset_tags.0", "asset_public_url.x"]) {
      assertError(await putAsset(server, uri, { [path]: "x" }), 400, "invalid_request");
    }
    assertEquals((await getAsset(server, uri)).body.data, asset);
  });

  test("PUT answers 400 to unknown fields, wrong types and odd paths, naming each, and changes nothing", async (server) => {
    const { uri, asset } = await created(server, { asset_name: "A", asset_version: VERSION });
    const unknown = await putAsset(server, uri, {
      asset_colour: "red",
      "nothing.here": 1,
      asset_tags: ["x"],
    });
    assertError(unknown, 400, "invalid_request");
    assertEquals(detailPaths(unknown), ["asset_colour", "nothing.here"]);
    const types = await putAsset(server, uri, { asset_tags: "x", asset_metadata: 5, asset_name: null });
    assertError(types, 400, "invalid_request");
    assertEquals(detailPaths(types), ["asset_metadata", "asset_name", "asset_tags"]);
    const bad: unknown[] = [
      { asset_name: "" },
      { asset_version: "1-t" },
      { "asset_version.colour": "red" },
      { "asset_version.version": 2 },
      { "asset_metadata.": 1 },
      { "asset_metadata..a": 1 },
      { ".asset_metadata": 1 },
      { "": 1 },
      { asset_metadata: { a: 1 }, "asset_metadata.a": 2 },
      [],
      "text",
      null,
    ];
    for (const body of bad) {
      const answer = await putAsset(server, uri, body);
      assertEquals(answer.status, 400, `${JSON.stringify(body)}: ${answer.text}`);
      assertError(answer, 400, "invalid_request");
    }
    assertEquals((await getAsset(server, uri)).body.data, asset);
  });

  test("Read-only fields are 400 when they differ and accepted unchanged: GET, edit, PUT works", async (server) => {
    const { uri, asset } = await uploaded(server, "x", { more: { asset_metadata: { a: 1 } } });
    for (const field of ["asset_uri", "asset_id", "assets_db_id", "asset_public_url"]) {
      const answer = assertError(await putAsset(server, uri, { [field]: "other" }), 400, "invalid_request");
      assertEquals(detailPaths(answer), [field]);
    }
    const edited = { ...asset, asset_metadata: { a: 2 }, asset_tags: ["edited"] };
    const answer = assertStatus(await putAsset(server, uri, edited), 200);
    assertEquals(at(answer.body, "data.asset"), edited);
    assertEquals((await getAsset(server, uri)).body.data, edited);
  });

  test("Of a stored file, size and checksum are read-only; missing ones are kept; the user's keys stay", async (server) => {
    const { uri, id, asset } = await uploaded(server, "hello", {
      more: { asset_file_info: { license: "MIT" } },
    });
    const sha256 = textAt(asset, "asset_file_info.sha256");
    for (
      const changes of [
        { "asset_file_info.file_size": 6 },
        { "asset_file_info.sha256": "0".repeat(64) },
        { asset_file_info: { file_size: 0 } },
        { asset_file_info: { sha256: null } },
      ]
    ) assertError(await putAsset(server, uri, changes), 400, "invalid_request");
    assertEquals((await getAsset(server, uri)).body.data, asset);
    const same = { asset_file_info: { sha256, file_size: 5, "license": "Apache-2.0" } };
    assertStatus(await putAsset(server, uri, same), 200);
    const missing = assertStatus(await putAsset(server, uri, { asset_file_info: { own: [1] } }), 200);
    assertEquals(at(missing.body, "data.asset.asset_file_info.file_size"), 5);
    assertEquals(at(missing.body, "data.asset.asset_file_info.sha256"), sha256);
    assertEquals(at(missing.body, "data.asset.asset_file_info.own"), [1]);
    const dotted = assertStatus(await putAsset(server, uri, { "asset_file_info.note": "n" }), 200);
    assertEquals(at(dotted.body, "data.asset.asset_file_info.note"), "n");
    assertEquals(at(dotted.body, "data.asset.asset_file_info.own"), [1]);
    assertEquals((await send(server, `/asset-object/${id}`)).text, "hello");
  });

  test("The public URL of a file that lives elsewhere can be changed", async (server) => {
    const { uri, id } = await created(server, {
      asset_name: "A",
      asset_version: VERSION,
      asset_public_url: "https://old.example.com/a",
    });
    assertStatus(await putAsset(server, uri, { asset_public_url: "https://new.example.com/a" }), 200);
    const object = assertStatus(await send(server, `/asset-object/${id}`), 307);
    assertEquals(object.headers.get("Location"), "https://new.example.com/a");
  });

  test("A rename to a URI that is taken is 409; one to a free URI moves the asset and frees the old", async (server) => {
    const { id } = await uploaded(server, "bytes", { name: "Old" });
    await uploaded(server, "other", { name: "Taken" });
    const old = "Old:1.0-initial";
    assertError(await putAsset(server, old, { asset_name: "Taken" }), 409, "already_exists");
    assertStatus(await getAsset(server, old), 200);
    const moved = assertStatus(
      await putAsset(server, old, { asset_name: "New", "asset_version.tag": "b" }),
      200,
    );
    assertEquals(at(moved.body, "data.asset.asset_uri"), "New:1.0-b");
    assertError(await getAsset(server, old), 404, "not_found");
    assertEquals(at((await getAsset(server, "New:1.0-b")).body, "data.asset_id"), id);
    assertEquals((await send(server, `/asset-object/${id}`)).text, "bytes");
    assertStatus(await upload(server, "again", { name: "Old" }), 201);
  });

  test("A rename of GET's answer with its old asset_uri in it works: the old URI is unchanged input", async (server) => {
    const { uri, asset } = await uploaded(server, "bytes", { name: "Old" });
    const answer = await putAsset(server, uri, { ...asset, asset_name: "New" });
    assertStatus(answer, 200);
    assertEquals(at(answer.body, "data.asset.asset_uri"), "New:1.0-initial");
  });

  test("PUT gives an asset without a URI one, and takes it away again", async (server) => {
    const { id } = await created(server, { asset_name: "Bare" });
    assertStatus(await putAsset(server, id, { asset_version: VERSION }), 200);
    assertStatus(await getAsset(server, "Bare:1-t"), 200);
    const bare = assertStatus(await putAsset(server, "Bare:1-t", { "asset_version.tag": "" }), 200);
    assertEquals(at(bare.body, "data.asset.asset_uri"), "");
    assertError(await getAsset(server, "Bare:1-t"), 404, "not_found");
    assertStatus(await getAsset(server, id), 200);
  });

  test("PUT of nothing changes nothing", async (server) => {
    const { uri, asset } = await created(server, { asset_name: "A", asset_version: VERSION });
    assertEquals(at(assertStatus(await putAsset(server, uri, {}), 200).body, "data.asset"), asset);
  });

  test("DELETE answers 200 once, then 404, and the stored object goes too", async (server) => {
    const { uri, id } = await uploaded(server, "x");
    await assertLeft(server, 1, suite.gaps);
    const answer = assertStatus(await deleteAsset(server, uri), 200);
    assertEquals(answer.body, { success: true, data: { message: "Asset deleted" } });
    assertError(await getAsset(server, uri), 404, "not_found");
    assertError(await deleteAsset(server, uri), 404, "not_found");
    assertError(await send(server, `/asset-object/${id}`), 404, "not_found");
    await assertLeft(server, 0, suite.gaps);
    assertStatus(await upload(server, "again"), 201);
  });

  test("DELETE by the id takes the asset and its object", async (server) => {
    const { id, uri } = await uploaded(server, "x");
    assertStatus(await deleteAsset(server, id), 200);
    assertError(await getAsset(server, uri), 404, "not_found");
    await assertLeft(server, 0, suite.gaps);
  });
}
