/** `POST /asset`, and the URIs that parts make. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  assertAsset,
  assertError,
  assertStatus,
  at,
  created,
  deleteAsset,
  detailPaths,
  getAsset,
  keysOf,
  postAsset,
  query,
  send,
  textAt,
  upload,
  uploaded,
} from "./client.ts";
import { registerFor, type Suite } from "./suite.ts";

const ELSEWHERE = "https://files.example.com/model.bin";

export function createTests(suite: Suite): void {
  const test = registerFor(suite);

  test("POST /asset answers 201 with message, id, URI and asset; what is left out has a default", async (server) => {
    const answer = assertStatus(
      await postAsset(server, { asset_name: "Bare", asset_public_url: ELSEWHERE }),
      201,
    );
    assertEquals(keysOf(answer.body), ["data", "success"]);
    assertEquals(answer.body.success, true);
    assertEquals(keysOf(answer.body.data), ["asset", "asset_uri", "id", "message"]);
    assertEquals(at(answer.body, "data.message"), "Asset created");
    assertEquals(at(answer.body, "data.asset_uri"), "");
    const asset = assertAsset(at(answer.body, "data.asset"));
    assertEquals(asset, {
      asset_uri: "",
      asset_name: "Bare",
      asset_id: "",
      assets_db_id: asset.assets_db_id ?? null,
      asset_version: { version: "", tag: "" },
      asset_metadata: {},
      asset_public_url: ELSEWHERE,
      asset_file_info: {},
      asset_tags: [],
    });
    assert(textAt(asset, "assets_db_id") !== "");
    assert(textAt(answer.body, "data.id") !== "");
  });

  test("An asset with a public URL has the client's asset_id or none; its object is a 307 to that URL", async (server) => {
    const none = await created(server, { asset_name: "None", asset_public_url: ELSEWHERE });
    assertEquals(none.asset.asset_id, "");
    const own = await created(server, { asset_name: "Own", asset_public_url: ELSEWHERE, asset_id: "my-id" });
    assertEquals(own.asset.asset_id, "my-id");
    for (const id of [none.id, own.id, "my-id"]) {
      for (const method of ["GET", "HEAD"]) {
        const answer = assertStatus(await send(server, `/asset-object/${id}`, { method }), 307);
        assertEquals(answer.headers.get("Location"), ELSEWHERE);
      }
    }
  });

  test("An asset without a public URL has an id and no file, and its object is a 404 that says so", async (server) => {
    for (const body of [{ asset_name: "None" }, { asset_name: "Empty", asset_public_url: "" }]) {
      const { id, asset } = await created(server, body);
      assertEquals(asset.asset_public_url, "");
      assert(textAt(asset, "asset_id") !== "");
      for (const one of [id, textAt(asset, "asset_id")]) {
        const answer = assertError(await send(server, `/asset-object/${one}`), 404, "not_found");
        assert(/file/i.test(textAt(answer.body, "error")), answer.text);
      }
    }
  });

  test("An asset_id that is taken is 409, by whatever way its holder came", async (server) => {
    const file = await uploaded(server, "x", { name: "File" });
    await created(server, { asset_name: "A", asset_id: "taken", asset_public_url: ELSEWHERE });
    for (const asset_id of ["taken", file.id]) {
      assertError(await postAsset(server, { asset_name: "B", asset_id }), 409, "already_exists");
      const elsewhere = { asset_name: "B", asset_id, asset_public_url: ELSEWHERE };
      assertError(await postAsset(server, elsewhere), 409, "already_exists");
    }
    assertEquals((await query(server, { asset_name: "B" })).body.data, []);
    // Without one there is nothing to be taken.
    await created(server, { asset_name: "C", asset_public_url: ELSEWHERE, asset_id: "" });
    await created(server, { asset_name: "D", asset_public_url: ELSEWHERE, asset_id: "" });
  });

  test("asset_uri and assets_db_id are ignored on create: the server derives them", async (server) => {
    const { uri, asset } = await created(server, {
      asset_name: "Real",
      asset_version: { version: "1", tag: "a" },
      asset_uri: "Fake:9-z",
      assets_db_id: "somebody-else",
    });
    assertEquals(uri, "Real:1-a");
    assertEquals(asset.asset_uri, "Real:1-a");
    assertNotEquals(asset.assets_db_id, "somebody-else");
    assertError(await getAsset(server, "Fake:9-z"), 404, "not_found");
  });

  test("POST /asset answers 400 to a missing name, an unknown field and fields of another type", async (server) => {
    const bodies: [unknown, string[]][] = [
      [{}, ["asset_name"]],
      [{ asset_name: "" }, ["asset_name"]],
      [{ asset_name: null }, ["asset_name"]],
      [{ asset_name: "A", asset_colour: "red" }, ["asset_colour"]],
      [{ asset_name: "A", asset_tags: "x", asset_metadata: [] }, ["asset_metadata", "asset_tags"]],
      [{ asset_name: 1, asset_version: { version: 2, tag: null } }, [
        "asset_name",
        "asset_version.tag",
        "asset_version.version",
      ]],
      [{ asset_name: "A", asset_file_info: 5, asset_public_url: 5, asset_id: 5 }, [
        "asset_file_info",
        "asset_id",
        "asset_public_url",
      ]],
    ];
    for (const [body, paths] of bodies) {
      const answer = assertError(await postAsset(server, body), 400, "invalid_request");
      assertEquals(detailPaths(answer), paths, answer.text);
    }
    for (const body of [[], "text", null, 5]) {
      assertError(await postAsset(server, body), 400, "invalid_request");
    }
    assertEquals((await query(server, {})).body.data, []);
  });

  test("A URI needs all three parts", async (server) => {
    for (const asset_version of [{ version: "1.0", tag: "" }, { version: "", tag: "x" }]) {
      const { uri, id } = await created(server, { asset_name: "Partial", asset_version });
      assertEquals(uri, "");
      assertEquals(at((await getAsset(server, id)).body, "data.asset_version"), asset_version);
    }
    const { uri } = await created(server, {
      asset_name: "Full",
      asset_version: { version: "1.0", tag: "x" },
    });
    assertEquals(uri, "Full:1.0-x");
  });

  test("An asset is reached by the id its creation returned, with and without a URI", async (server) => {
    const without = await created(server, { asset_name: "Without", asset_public_url: ELSEWHERE });
    const withUri = await created(server, { asset_name: "With", asset_version: { version: "1", tag: "a" } });
    const file = await uploaded(server, "x", { name: "File" });
    for (const { id, asset } of [without, withUri, file]) {
      assertEquals(assertAsset(assertStatus(await getAsset(server, id), 200).body.data), asset);
    }
    assertStatus(await deleteAsset(server, without.id), 200);
    assertError(await getAsset(server, without.id), 404, "not_found");
  });

  test("Two assets never share a URI, also when different parts make the same string", async (server) => {
    await uploaded(server, "x", { name: "M", version: "1.0-beta", tag: "x" });
    assertError(
      await postAsset(server, { asset_name: "M", asset_version: { version: "1.0", tag: "beta-x" } }),
      409,
      "already_exists",
    );
    assertError(
      await upload(server, "y", { name: "M", version: "1.0", tag: "beta-x" }),
      409,
      "already_exists",
    );
    await created(server, { asset_name: "a:b", asset_version: { version: "c", tag: "d" } });
    assertError(
      await postAsset(server, { asset_name: "a", asset_version: { version: "b:c", tag: "d" } }),
      409,
      "already_exists",
    );
    assertEquals((await query(server, {}, "?count=only")).body.count, 2);
  });

  test("An asset exported from one Assets DB can be posted to another and points back at the first", async (server) => {
    const { uri, asset } = await uploaded(server, "the bytes", {
      name: "Exported",
      more: { asset_metadata: { a: 1 }, asset_tags: ["t"] },
    });
    await using other = await suite.start();
    const copy = await created(other, asset);
    assertEquals(copy.uri, uri);
    const { assets_db_id: _, ...same } = asset;
    const { assets_db_id, ...copied } = copy.asset;
    assertEquals(copied, same);
    assertNotEquals(assets_db_id, asset.assets_db_id);
    for (const id of [copy.id, textAt(copy.asset, "asset_id")]) {
      const answer = assertStatus(await send(other, `/asset-object/${id}`), 307);
      assertEquals(answer.headers.get("Location"), textAt(asset, "asset_public_url"));
    }
    const followed = await fetch(`${other.url}/asset-object/${copy.id}`);
    assertEquals(await followed.text(), "the bytes");
  });
}
