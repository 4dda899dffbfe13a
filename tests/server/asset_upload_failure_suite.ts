/** `POST /upload_asset` where something is wrong: the answer says what, and nothing is left behind. */
import { assert, assertEquals } from "@std/assert";
import { assertError, assertLeft, assertStatus, detailPaths, send, upload, uploaded } from "./client.ts";
import { filePart, metadata, metadataPart, MULTIPART, multipartBody, multipartRequest } from "./multipart.ts";
import type { Part } from "./multipart.ts";
import { connect, readAnswer, writeAll } from "./raw.ts";
import { registerFor, type Suite } from "./suite.ts";

const BAD_METADATA: Record<string, unknown> = {
  "no JSON": "{not json",
  "empty": "",
  "an array": [],
  "a string": '"text"',
  "null": "null",
  "without a name": { asset_version: { version: "1.0", tag: "x" } },
  "with an empty name": metadata(""),
  "with a name that is a number": { ...metadata(), asset_name: 5 },
  "without a version object": { asset_name: "Sample" },
  "without a version": { asset_name: "Sample", asset_version: { tag: "x" } },
  "without a tag": { asset_name: "Sample", asset_version: { version: "1.0" } },
  "with a version that is text": { asset_name: "Sample", asset_version: "1.0-x" },
  "with an unknown field": metadata("Sample", { asset_colour: "red" }),
  "with an unknown field in the version": {
    asset_name: "S",
    asset_version: { version: "1", tag: "a", x: 1 },
  },
  "with metadata that is an array": metadata("Sample", { asset_metadata: [] }),
  "with metadata that is null": metadata("Sample", { asset_metadata: null }),
  "with tags that are text": metadata("Sample", { asset_tags: "a,b" }),
  "with file info that is text": metadata("Sample", { asset_file_info: "x" }),
  "with a name with a control character": metadata("a\nb"),
  "with a name of 513 code points": metadata("x".repeat(513)),
  "with a size that is another": metadata("Sample", { asset_file_info: { file_size: 4 } }),
  "with a checksum that is none": metadata("Sample", { asset_file_info: { sha256: "abc" } }),
};

export function uploadFailureTests(suite: Suite): void {
  const test = registerFor(suite);

  test("POST /upload_asset answers 400 to bad metadata in either order and leaves nothing", async (server) => {
    for (const [what, bad] of Object.entries(BAD_METADATA)) {
      const parts = [metadataPart(bad), filePart("hello")];
      for (const order of [parts, parts.toReversed()]) {
        const answer = await send(server, "/upload_asset", multipartRequest(order));
        assertEquals(answer.status, 400, `metadata ${what}: ${answer.text}`);
        assertError(answer, 400, ["invalid_request", "invalid_json", "checksum_mismatch"]);
      }
    }
    await assertLeft(server, 0, suite.gaps);
  });

  test("POST /upload_asset names every offending field in details", async (server) => {
    const bad = { asset_version: { version: 1 }, asset_tags: 5, asset_metadata: "x" };
    const answer = await send(server, "/upload_asset", multipartRequest([metadataPart(bad), filePart()]));
    assertError(answer, 400, "invalid_request");
    assertEquals(detailPaths(answer), [
      "asset_metadata",
      "asset_name",
      "asset_tags",
      "asset_version.tag",
      "asset_version.version",
    ]);
    await assertLeft(server, 0, suite.gaps);
  });

  test("POST /upload_asset answers 400 to missing, nameless and repeated parts and leaves nothing", async (server) => {
    const good = metadataPart(metadata());
    const forms: Record<string, Part[]> = {
      "no part": [],
      "no file": [good],
      "no metadata": [filePart()],
      "a file without a name": [good, filePart("x", null)],
      "a file without a name, first": [filePart("x", null), good],
      "an empty file name": [good, filePart("x", "")],
      "two files": [good, filePart(), filePart("other")],
      "two files, metadata last": [filePart(), filePart("other"), good],
      "two metadata parts": [good, filePart(), good],
      "two metadata parts, then the file": [good, good, filePart()],
    };
    for (const [what, parts] of Object.entries(forms)) {
      const answer = await send(server, "/upload_asset", multipartRequest(parts));
      assertEquals(answer.status, 400, `${what}: ${answer.text}`);
      assertError(answer, 400, "invalid_request");
    }
    await assertLeft(server, 0, suite.gaps);
  });

  test("POST /upload_asset answers 400 to a body that ends too early and leaves nothing", async (server) => {
    const whole = multipartBody([metadataPart(metadata()), filePart("x".repeat(5000))]);
    const swapped = multipartBody([filePart("x".repeat(5000)), metadataPart(metadata())]);
    const headers = { "Content-Type": MULTIPART };
    const bodies = [
      whole.slice(0, 2000),
      whole.slice(0, 20),
      whole.slice(0, 150),
      whole.slice(0, whole.length - 6),
      swapped.slice(0, 5200),
      swapped.slice(0, swapped.length - 40),
    ];
    for (const body of bodies) {
      const answer = await send(server, "/upload_asset", { method: "POST", headers, body });
      assertEquals(answer.status, 400, `${body.length} bytes: ${answer.text}`);
      assertError(answer, 400, "invalid_request");
    }
    await assertLeft(server, 0, suite.gaps);
  });

  test("POST /upload_asset wants multipart/form-data with a boundary", async (server) => {
    const body = multipartBody([metadataPart(metadata()), filePart()]);
    for (const type of ["application/json", "text/plain", "application/x-www-form-urlencoded"]) {
      const init = { method: "POST", body, headers: { "Content-Type": type } };
      assertError(await send(server, "/upload_asset", init), 415, "unsupported_media_type");
    }
    const untyped = { method: "POST", body };
    assertError(await send(server, "/upload_asset", untyped), 415, "unsupported_media_type");
    const unbounded = { method: "POST", body, headers: { "Content-Type": "multipart/form-data" } };
    assertError(await send(server, "/upload_asset", unbounded), 400, "invalid_request");
    const garbage = { method: "POST", body: "garbage", headers: { "Content-Type": MULTIPART } };
    assertError(await send(server, "/upload_asset", garbage), 400, "invalid_request");
    await assertLeft(server, 0, suite.gaps);
  });

  test("POST /upload_asset of a URI that is taken is 409 and changes nothing", async (server) => {
    const { id, uri } = await uploaded(server, "first");
    for (const order of ["metadata first", "file first"]) {
      const parts = [metadataPart(metadata()), filePart("second")];
      if (order === "file first") parts.reverse();
      assertError(await send(server, "/upload_asset", multipartRequest(parts)), 409, "already_exists");
    }
    assertError(await upload(server, new Uint8Array(300_000)), 409, "already_exists");
    assertEquals(uri, "Sample:1.0-initial");
    assertEquals((await send(server, `/asset-object/${id}`)).text, "first");
    await assertLeft(server, 1, suite.gaps);
  });

  test("A checksum that differs is 400 checksum_mismatch and stores nothing, before and after the file", async (server) => {
    const wrong = metadataPart(metadata("Sample", { asset_file_info: { sha256: "0".repeat(64) } }));
    for (const parts of [[wrong, filePart("hello")], [filePart("hello"), wrong]]) {
      const answer = await send(server, "/upload_asset", multipartRequest(parts));
      assertError(answer, 400, "checksum_mismatch");
    }
    await assertLeft(server, 0, suite.gaps);
  });

  test("A client that hangs up in the middle of an upload leaves nothing", async (server) => {
    for (const parts of [[metadataPart(metadata()), filePart(new Uint8Array(400_000))], [filePart("x")]]) {
      const body = multipartBody(parts, true);
      const connection = await connect(server);
      await writeAll(connection, uploadHead(body.length * 2));
      await writeAll(connection, body);
      connection.close();
    }
    await assertLeft(server, 0, suite.gaps);
    // The URI is free again.
    assertStatus(await upload(server, "again"), 201);
    await assertLeft(server, 1, suite.gaps);
  });

  test("A client that hangs up after several parts of a large file leaves nothing", async (server) => {
    const body = multipartBody([metadataPart(metadata()), filePart(new Uint8Array(20 * 2 ** 20))], true);
    const connection = await connect(server);
    await writeAll(connection, uploadHead(body.length * 2));
    await writeAll(connection, body);
    connection.close();
    await assertLeft(server, 0, suite.gaps);
  });

  test("A large file whose URI is taken, or whose checksum differs, leaves nothing", async (server) => {
    await uploaded(server, "first");
    const large = new Uint8Array(18 * 2 ** 20);
    for (const name of ["Sample", "Other"]) {
      const sha256 = "0".repeat(64);
      const said = metadataPart(metadata(name, name === "Other" ? { asset_file_info: { sha256 } } : {}));
      const answer = await send(server, "/upload_asset", multipartRequest([filePart(large), said]));
      if (name === "Other") assertError(answer, 400, "checksum_mismatch");
      else assertError(answer, 409, "already_exists");
    }
    await assertLeft(server, 1, suite.gaps);
  });

  test("An upload that stands still is dropped after the idle timeout and leaves nothing", async (server) => {
    const body = multipartBody([metadataPart(metadata()), filePart(new Uint8Array(100_000))], true);
    using connection = await connect(server);
    await writeAll(connection, uploadHead(body.length * 2));
    await writeAll(connection, body);
    // The server either says so or just closes; it must do one of them without another byte from here.
    const answer = await readAnswer(connection).catch(() => undefined);
    assert(answer === undefined || (answer.status >= 400 && answer.status < 600), `${answer?.status}`);
    await assertLeft(server, 0, suite.gaps);
    assertStatus(await upload(server, "again"), 201);
  }, { idleTimeout: "500ms" });

  test("An upload that is slow but never idle passes", async (server) => {
    const body = multipartBody([metadataPart(metadata()), filePart("x".repeat(1000))]);
    using connection = await connect(server);
    await writeAll(connection, uploadHead(body.length));
    const step = Math.ceil(body.length / 8);
    for (let start = 0; start < body.length; start += step) {
      await writeAll(connection, body.subarray(start, start + step));
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    assertEquals((await readAnswer(connection)).status, 201);
    await assertLeft(server, 1, suite.gaps);
  }, { idleTimeout: "1s" });
}

function uploadHead(contentLength: number): string {
  return [
    "POST /upload_asset HTTP/1.1",
    "Host: localhost",
    "Connection: close",
    `Content-Type: ${MULTIPART}`,
    `Content-Length: ${contentLength}`,
    "",
    "",
  ].join("\r\n");
}
