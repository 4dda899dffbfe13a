/** `POST /upload_asset` where all goes well. */
import { assert, assertEquals } from "@std/assert";
import { patternBytes, sameBytes } from "../objects/object_store_suite.ts";
import {
  assertAsset,
  assertError,
  assertLeft,
  assertStatus,
  at,
  dispositionName,
  getAsset,
  keysOf,
  objectKeys,
  send,
  textAt,
  upload,
  uploaded,
} from "./client.ts";
import { filePart, metadata, metadataPart, multipartRequest } from "./multipart.ts";
import { registerFor, type Suite } from "./suite.ts";

const HELLO_SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

export function uploadTests(suite: Suite): void {
  const test = registerFor(suite);

  test("POST /upload_asset answers 201 with the URI, the id, the public URL and the asset", async (server) => {
    const answer = assertStatus(await upload(server, "hello", { fileType: "text/plain" }), 201);
    assertEquals(keysOf(answer.body), ["asset_id", "asset_uri", "data", "public_url", "success"]);
    const asset = assertAsset(answer.body.data);
    const id = textAt(answer.body, "asset_id");
    assert(id.length > 0);
    const publicUrl = `http://localhost:${new URL(server.url).port}/asset-object/${id}`;
    assertEquals(answer.body.success, true);
    assertEquals(answer.body.asset_uri, "Sample:1.0-initial");
    assertEquals(answer.body.public_url, publicUrl);
    assert(textAt(asset, "assets_db_id") !== "");
    assertEquals(asset, {
      asset_uri: "Sample:1.0-initial",
      asset_name: "Sample",
      asset_id: id,
      assets_db_id: asset.assets_db_id ?? null,
      asset_version: { version: "1.0", tag: "initial" },
      asset_metadata: {},
      asset_public_url: publicUrl,
      asset_file_info: {
        file_name: "file.bin",
        file_type: "text/plain",
        file_size: 5,
        sha256: HELLO_SHA256,
      },
      asset_tags: [],
    });
    assertEquals((await getAsset(server, "Sample:1.0-initial")).body.data, asset);
  });

  test("POST /upload_asset takes its parts in either order, and the optional fields", async (server) => {
    const more = {
      asset_metadata: { description: "A sample", deep: { list: [1, null, { a: true }] } },
      asset_tags: ["image", "sample"],
      asset_file_info: { license: "MIT", pages: 3 },
    };
    const parts = [metadataPart(metadata("First", more)), filePart("hello")];
    const swapped = [filePart("hello"), metadataPart(metadata("Second", more))];
    for (const [name, order] of [["First", parts], ["Second", swapped]] as const) {
      const answer = assertStatus(await send(server, "/upload_asset", multipartRequest(order)), 201);
      const asset = assertAsset(answer.body.data);
      assertEquals(asset.asset_name, name);
      assertEquals(asset.asset_metadata, more.asset_metadata);
      assertEquals(asset.asset_tags, more.asset_tags);
      assertEquals(keysOf(asset.asset_file_info), [
        "file_name",
        "file_size",
        "file_type",
        "license",
        "pages",
        "sha256",
      ]);
      assertEquals(at(asset, "asset_file_info.license"), "MIT");
      assertEquals(at(asset, "asset_file_info.sha256"), HELLO_SHA256);
      const object = await send(server, `/asset-object/${textAt(asset, "asset_id")}`);
      assertEquals(object.text, "hello");
    }
  });

  test("A file is kept under asset/<asset_id>", async (server) => {
    const { id } = await uploaded(server, "bytes");
    assertEquals(await objectKeys(server), [`asset/${id}`]);
  });

  test("20 MiB come back as they went in", async (server) => {
    const bytes = patternBytes(20 * 2 ** 20 + 1);
    const { id, asset } = await uploaded(server, bytes);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    assertEquals(at(asset, "asset_file_info.sha256"), digest);
    assertEquals(at(asset, "asset_file_info.file_size"), bytes.length);
    const response = await fetch(`${server.url}/asset-object/${id}`);
    assert(sameBytes(new Uint8Array(await response.arrayBuffer()), bytes), "other bytes came back");
  });

  test("An empty file is a file", async (server) => {
    const { id, asset } = await uploaded(server, "");
    assertEquals(at(asset, "asset_file_info.file_size"), 0);
    const object = assertStatus(await send(server, `/asset-object/${id}`), 200);
    assertEquals(object.text, "");
    assertEquals(object.headers.get("Content-Length"), "0");
    await assertLeft(server, 1, suite.gaps);
  });

  test("File names may be any Unicode, quotes and backslashes included", async (server) => {
    for (
      const fileName of ["größe.png", "模型 🤖.bin", "a b;c,d=e.txt", "100%.txt", "it's.txt", "..", "a\\b"]
    ) {
      const { id, asset } = await uploaded(server, "x", { name: `Named ${fileName}`, fileName });
      assertEquals(at(asset, "asset_file_info.file_name"), fileName);
      const { headers } = assertStatus(await send(server, `/asset-object/${id}`), 200);
      assertEquals(dispositionName(headers.get("Content-Disposition") ?? ""), fileName);
    }
  });

  test("The type of a file keeps its parameters", async (server) => {
    const type = 'text/plain; charset=iso-8859-1; note="a;b"';
    const file = filePart("x");
    file.headers[1] = `Content-Type: ${type}`;
    const answer = await send(server, "/upload_asset", multipartRequest([metadataPart(metadata()), file]));
    assertStatus(answer, 201);
    assertEquals(at(answer.body, "data.asset_file_info.file_type"), type);
    const { headers } = await send(server, `/asset-object/${textAt(answer.body, "asset_id")}`);
    assertEquals(headers.get("Content-Type"), type);
  });

  test("A stated checksum that is right is accepted, before and after the file", async (server) => {
    const stated = (name: string) =>
      metadata(name, { asset_file_info: { sha256: HELLO_SHA256, file_size: 5 } });
    for (
      const parts of [
        [metadataPart(stated("Before")), filePart("hello")],
        [filePart("hello"), metadataPart(stated("After"))],
      ]
    ) {
      const answer = await send(server, "/upload_asset", multipartRequest(parts));
      assertStatus(answer, 201);
      assertEquals(at(answer.body, "data.asset_file_info.sha256"), HELLO_SHA256);
    }
    await assertLeft(server, 2, suite.gaps);
  });

  test(
    "MAX_UPLOAD_SIZE counts the file's own bytes: exactly that many pass, one more is 413",
    async (server) => {
      assertStatus(await upload(server, new Uint8Array(1000), { name: "Exact" }), 201);
      for (const order of ["metadata first", "file first"]) {
        const parts = [metadataPart(metadata(order)), filePart(new Uint8Array(1001))];
        if (order === "file first") parts.reverse();
        assertError(await send(server, "/upload_asset", multipartRequest(parts)), 413, "too_large");
      }
      await assertLeft(server, 1, suite.gaps);
    },
    { maxUploadSize: "1000" },
  );

  test("MAX_UPLOAD_SIZE stops a large file on its way", async (server) => {
    assertError(await upload(server, new Uint8Array(3 * 2 ** 20)), 413, "too_large");
    await assertLeft(server, 0, suite.gaps);
  }, { maxUploadSize: "1MiB" });
}
