/** Resumable uploads over HTTP, whatever the files lie on: tus 1.0.0 as a client of its own would speak it. */
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { patternBytes } from "../objects/object_store_suite.ts";
import { assertLeft, type Start, type StoreGaps } from "./client.ts";
import { describedFetch } from "./described.ts";
import type { TestServer } from "./harness.ts";
import { registerFor, type RegisterTest } from "./suite.ts";

const MIB = 2 ** 20;
const TUS = { "Tus-Resumable": "1.0.0" };

/** The header of what a client says of a file. */
export function tusMetadata(
  name = "Sample",
  more: Record<string, unknown> = {},
  filename = "файл.bin",
): string {
  const asset_metadata = JSON.stringify({
    asset_name: name,
    asset_version: { version: "1.0", tag: "initial" },
    ...more,
  });
  return Object.entries({ filename, filetype: "text/plain", asset_metadata })
    .map(([key, value]) => `${key} ${new TextEncoder().encode(value).toBase64()}`).join(",");
}

async function create(
  server: TestServer,
  sizeBytes: number,
  headers: Record<string, string> = {},
): Promise<Response> {
  const all = { ...TUS, "Upload-Length": String(sizeBytes), "Upload-Metadata": tusMetadata(), ...headers };
  return await describedFetch(`${server.url}/uploads/`, { method: "POST", headers: all });
}

/** Begins an upload and gives its URL. */
async function begin(
  server: TestServer,
  sizeBytes: number,
  headers: Record<string, string> = {},
): Promise<string> {
  const response = await create(server, sizeBytes, headers);
  assertEquals([response.status, await response.text()], [201, ""]);
  return new URL(response.headers.get("Location") ?? "", server.url).href;
}

async function patch(
  url: string,
  offset: number,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<Response> {
  const all = {
    ...TUS,
    "Upload-Offset": String(offset),
    "Content-Type": "application/offset+octet-stream",
    ...headers,
  };
  return await describedFetch(url, { method: "PATCH", headers: all, body });
}

async function head(url: string): Promise<Response> {
  return await describedFetch(url, { method: "HEAD", headers: TUS });
}

async function code(response: Response): Promise<[number, string]> {
  const { success, code, error, message } = await response.json();
  assertEquals([success, error], [false, message]);
  return [response.status, code];
}

async function assertStored(server: TestServer, response: Response, bytes: Uint8Array): Promise<void> {
  const uri = decodeURIComponent(response.headers.get("Asset-Uri") ?? "");
  const id = decodeURIComponent(response.headers.get("Asset-Id") ?? "");
  const { data } = await (await describedFetch(`${server.url}/asset/${encodeURIComponent(uri)}`)).json();
  assertEquals(data.asset_id, id);
  assertEquals(data.asset_file_info.file_size, bytes.length);
  assertEquals(data.asset_file_info.sha256, createHash("sha256").update(bytes).digest("hex"));
  const file = await describedFetch(`${server.url}/asset-object/${id}`);
  assertEquals(new Uint8Array(await file.arrayBuffer()), bytes);
}

/** Registers the tests. */
export function tusSuite(name: string, start: Start, gaps: StoreGaps = {}): void {
  const test = registerFor({ name, start, gaps });

  test("OPTIONS tells the version and the extensions", async (server) => {
    const response = await describedFetch(`${server.url}/uploads/`, { method: "OPTIONS" });
    await response.body?.cancel();
    assertEquals([response.status, response.headers.get("Tus-Version")], [204, "1.0.0"]);
    const extensions = response.headers.get("Tus-Extension")?.split(",") ?? [];
    assertEquals(extensions.sort(), [
      "checksum",
      "creation",
      "creation-with-upload",
      "expiration",
      "termination",
    ]);
  });

  test("an upload in pieces of many sizes becomes an asset, and its URL tells of it", async (server) => {
    const bytes = patternBytes(20 * MIB + 12_345);
    const url = await begin(server, bytes.length);
    let offset = 0;
    let last = new Response();
    for (const size of [1, 100_000, 5 * MIB - 1, 8 * MIB, 3, Infinity]) {
      const piece = bytes.slice(offset, offset + size);
      last = await patch(url, offset, piece);
      assertEquals([last.status, await last.text()], [204, ""]);
      offset += piece.length;
      assertEquals(last.headers.get("Upload-Offset"), String(offset));
      const told = await head(url);
      assertEquals([told.status, told.headers.get("Upload-Offset")], [200, String(offset)]);
      assertEquals(told.headers.get("Cache-Control"), "no-store");
      if (offset < bytes.length) assertEquals(told.headers.get("Asset-Id"), null);
    }
    assertEquals(offset, bytes.length);
    await assertStored(server, last, bytes);
    await assertStored(server, await head(url), bytes);
    await assertLeft(server, 1, gaps);
  });

  test("an upload goes on after a restart of the server", async (server) => {
    const bytes = patternBytes(10 * MIB);
    const path = new URL(await begin(server, bytes.length)).pathname;
    await (await patch(server.url + path, 0, bytes.slice(0, 7 * MIB))).text();
    await server.restart();
    const offset = Number((await head(server.url + path)).headers.get("Upload-Offset"));
    assertEquals(offset, 7 * MIB);
    await assertStored(server, await patch(server.url + path, offset, bytes.slice(offset)), bytes);
    await assertLeft(server, 1, gaps);
  });

  test("what arrived of a piece before the client went away stays", async (server) => {
    const bytes = patternBytes(24 * MIB);
    const url = await begin(server, bytes.length);
    let sent = 0;
    const hangUp = new AbortController();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (sent >= 20 * MIB) {
          await new Promise((resolve) => setTimeout(resolve, 300));
          return hangUp.abort();
        }
        controller.enqueue(bytes.subarray(sent, sent += 256 * 1024));
      },
    });
    const headers = { ...TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream" };
    const request = { method: "PATCH", headers, body, signal: hangUp.signal };
    assertEquals(await describedFetch(url, request).then(() => "answered", () => "aborted"), "aborted");
    const offset = Number((await head(url)).headers.get("Upload-Offset"));
    assert(offset >= 8 * MIB && offset <= 20 * MIB, `${offset}`);
    await assertStored(server, await patch(url, offset, bytes.slice(offset)), bytes);
    await assertLeft(server, 1, gaps);
  });

  test("creation-with-upload stores at once, an empty file too", async (server) => {
    const bytes = patternBytes(100_000);
    const response = await describedFetch(`${server.url}/uploads/`, {
      method: "POST",
      body: bytes,
      headers: {
        ...TUS,
        "Upload-Length": String(bytes.length),
        "Upload-Metadata": tusMetadata(),
        "Content-Type": "application/offset+octet-stream",
      },
    });
    assertEquals([response.status, await response.text()], [201, ""]);
    await assertStored(server, response, bytes);
    const empty = await create(server, 0, { "Upload-Metadata": tusMetadata("Empty") });
    assertEquals([empty.status, await empty.text()], [201, ""]);
    await assertStored(server, empty, new Uint8Array());
    await assertLeft(server, 2, gaps);
  });

  test("a wrong offset is 409 offset_mismatch and changes nothing", async (server) => {
    const url = await begin(server, 10);
    await (await patch(url, 0, "12345")).text();
    for (const offset of [0, 4, 6]) {
      assertEquals(await code(await patch(url, offset, "x")), [409, "offset_mismatch"]);
    }
    assertEquals((await head(url)).headers.get("Upload-Offset"), "5");
    await assertStored(server, await patch(url, 5, "67890"), new TextEncoder().encode("1234567890"));
  });

  test("a piece with a wrong Upload-Checksum is 460 and not kept, with the right one it is", async (server) => {
    const bytes = patternBytes(9 * MIB);
    const url = await begin(server, bytes.length);
    await (await patch(url, 0, bytes.slice(0, 1000))).text();
    const piece = bytes.slice(1000);
    for (const algorithm of ["sha1", "sha256", "md5"]) {
      const wrong = createHash(algorithm).update("other").digest("base64");
      const refused = await patch(url, 1000, piece, { "Upload-Checksum": `${algorithm} ${wrong}` });
      assertEquals(await code(refused), [460, "checksum_mismatch"]);
      assertEquals((await head(url)).headers.get("Upload-Offset"), "1000");
    }
    assertEquals(await code(await patch(url, 1000, piece, { "Upload-Checksum": "crc32 AAAA" })), [
      400,
      "invalid_request",
    ]);
    const right = createHash("sha1").update(piece).digest("base64");
    await assertStored(server, await patch(url, 1000, piece, { "Upload-Checksum": `sha1 ${right}` }), bytes);
    await assertLeft(server, 1, gaps);
  });

  // A store that cannot list unfinished writes cannot end them either.
  if (!gaps.lacksUnfinished) terminationTest(test, gaps);

  test("a checksum or a size of the file that is not as stated is refused at the end, and nothing is left", async (server) => {
    const stated = { asset_file_info: { sha256: "0".repeat(64) } };
    const url = await begin(server, 5, { "Upload-Metadata": tusMetadata("Sample", stated) });
    assertEquals(await code(await patch(url, 0, "12345")), [460, "checksum_mismatch"]);
    assertEquals((await head(url)).status, 404);
    await assertLeft(server, 0, gaps);
  });

  test("a URI that is taken is 409: at once, or at the end if it was taken meanwhile", async (server) => {
    const first = await begin(server, 1);
    const second = await begin(server, 1);
    await assertStored(server, await patch(first, 0, "1"), new TextEncoder().encode("1"));
    assertEquals(await code(await create(server, 1)), [409, "already_exists"]);
    assertEquals(await code(await patch(second, 0, "2")), [409, "already_exists"]);
    assertEquals((await head(second)).status, 404);
    await assertLeft(server, 1, gaps);
  });

  test("metadata that cannot become an asset are refused before a byte is sent", async (server) => {
    const bad: Record<string, string>[] = [
      { "Upload-Metadata": "filename Zg==" },
      { "Upload-Metadata": `filename Zg==,asset_metadata ${new TextEncoder().encode("{").toBase64()}` },
      { "Upload-Metadata": tusMetadata("") },
      { "Upload-Metadata": tusMetadata("Sample", { surprise: 1 }) },
      { "Upload-Metadata": tusMetadata("Sample", {}, "") },
      { "Upload-Metadata": "not base64!" },
      { "Upload-Length": "-1" },
      { "Upload-Length": "x" },
    ];
    for (const headers of bad) {
      assertEquals((await code(await create(server, 1, headers)))[0], 400, JSON.stringify(headers));
    }
    await assertLeft(server, 0, gaps);
  });

  test("a request without Tus-Resumable, or of another version, is refused", async (server) => {
    const url = await begin(server, 1);
    const none = await describedFetch(url, { method: "DELETE" });
    assertEquals(await code(none), [412, "precondition_failed"]);
    const other = await describedFetch(url, { method: "DELETE", headers: { "Tus-Resumable": "0.2.2" } });
    assertEquals((await code(other))[0] >= 400, true);
    assertEquals((await head(url)).status, 200);
  });

  test("X-HTTP-Method-Override makes a POST a PATCH", async (server) => {
    const url = await begin(server, 5);
    const headers = {
      ...TUS,
      "Upload-Offset": "0",
      "Content-Type": "application/offset+octet-stream",
      "X-HTTP-Method-Override": "PATCH",
    };
    const response = await describedFetch(url, { method: "POST", headers, body: "12345" });
    assertEquals([response.status, await response.text()], [204, ""]);
    await assertStored(server, response, new TextEncoder().encode("12345"));
  });

  test("a file above the limit is 413 when it is announced", async (server) => {
    assertEquals(await code(await create(server, 11)), [413, "too_large"]);
    await begin(server, 10);
  }, { maxUploadSize: "10B" });

  test("every change needs a write token, by whatever method it is named", async (server) => {
    assertEquals(await code(await create(server, 1)), [401, "unauthenticated"]);
    const read = { Authorization: "Bearer r" };
    assertEquals(await code(await create(server, 1, read)), [403, "forbidden"]);
    const url = await begin(server, 1, { Authorization: "Bearer w" });
    const override = { ...TUS, ...read, "X-HTTP-Method-Override": "DELETE" };
    assertEquals(await code(await describedFetch(url, { method: "POST", headers: override })), [
      403,
      "forbidden",
    ]);
    assertEquals((await describedFetch(url, { method: "HEAD", headers: { ...TUS, ...read } })).status, 200);
  }, { authReadToken: "r", authWriteToken: "w" });
}

function terminationTest(test: RegisterTest, gaps: StoreGaps): void {
  test("DELETE ends an upload and leaves nothing", async (server) => {
    const url = await begin(server, 20 * MIB);
    await (await patch(url, 0, patternBytes(9 * MIB))).text();
    const response = await describedFetch(url, { method: "DELETE", headers: TUS });
    assertEquals([response.status, await response.text()], [204, ""]);
    assertEquals((await head(url)).status, 404);
    assertEquals(await code(await patch(url, 0, "x")), [404, "not_found"]);
    await assertLeft(server, 0, gaps);
  });
}
