/** Requests that no honest client makes, each of which once got a 500. */
import { assertEquals } from "@std/assert";
import { json, startTestServer, uploadForm } from "./harness.ts";
import { connect, rawRequest, readAnswer, writeAll } from "./raw.ts";

Deno.test("A file name that is not well-formed Unicode, or too long for a header, is 400", async () => {
  await using server = await startTestServer();
  await (await fetch(`${server.url}/upload_asset`, { method: "POST", body: uploadForm("bytes") })).text();
  for (const name of ["a\ud83d", "x".repeat(1025)]) {
    const change = json("PUT", { "asset_file_info.file_name": name });
    const response = await fetch(`${server.url}/asset/Sample:1.0-initial`, change);
    assertEquals([response.status, (await response.json()).code], [400, "invalid_request"]);
    const form = uploadForm("bytes", { name: "Other", more: { asset_file_info: { file_name: name } } });
    const upload = await fetch(`${server.url}/upload_asset`, { method: "POST", body: form });
    assertEquals([upload.status, (await upload.json()).code], [400, "invalid_request"]);
  }
  const form = uploadForm("bytes", { name: "Long", fileName: "x".repeat(1025) });
  const upload = await fetch(`${server.url}/upload_asset`, { method: "POST", body: form });
  assertEquals([upload.status, (await upload.json()).code], [400, "invalid_request"]);
});

Deno.test("A file name with control characters is kept, and its download has a header that can be sent", async () => {
  await using server = await startTestServer();
  const form = uploadForm("bytes", { more: { asset_file_info: { file_name: "a\r\nSet-Cookie: b\u0000c" } } });
  const { data } = await (await fetch(`${server.url}/upload_asset`, { method: "POST", body: form })).json();
  assertEquals(data.asset_file_info.file_name, "a\r\nSet-Cookie: b\u0000c");
  const file = await fetch(server.url + new URL(data.asset_public_url).pathname);
  assertEquals([file.status, await file.text(), file.headers.get("Set-Cookie")], [200, "bytes", null]);
});

Deno.test("A name of a thousand NULs is 404 in either mode", async () => {
  const names = "%00".repeat(1000);
  for (
    const [mode, path] of [["assets-db", "asset"], ["assets-db", "asset-object"], [
      "registry",
      "asset_registry",
    ]]
  ) {
    await using server = await startTestServer({ mode });
    for (const method of ["GET", "PUT", "DELETE"]) {
      if (method !== "GET" && path === "asset-object") continue;
      const init = method === "PUT" ? json("PUT", { asset_tags: [], asset_registry_tags: [] }) : { method };
      const response = await fetch(`${server.url}/${path}/${names}`, init);
      assertEquals([response.status, (await response.json()).code], [404, "not_found"], `${method} ${path}`);
    }
  }
});

Deno.test("The id of an upload that no key could hold is 404", async () => {
  await using server = await startTestServer();
  for (const method of ["DELETE", "HEAD"]) {
    const headers = { "Tus-Resumable": "1.0.0" };
    const response = await fetch(`${server.url}/uploads/${"a".repeat(30_000)}`, { method, headers });
    await response.body?.cancel();
    assertEquals(response.status, 404);
  }
});

Deno.test("A method named like a property of every object is 405", async () => {
  for (const mode of ["assets-db", "registry"]) {
    await using server = await startTestServer({ mode });
    for (const method of ["constructor", "toString", "__proto__", "FOO"]) {
      const { status, headers, text } = await rawRequest(server, method, "/health");
      assertEquals([status, JSON.parse(text).code], [405, "method_not_allowed"]);
      assertEquals(headers.get("allow"), "GET, HEAD, OPTIONS");
    }
  }
});

Deno.test("A request that is refused unread leaves its connection usable, or closes it", async () => {
  await using server = await startTestServer();
  const upload = "0198f0c2-0000-7000-8000-000000000000";
  const refused: [line: string, headers: string[], status: number][] = [
    ["POST /upload_asset", ["Content-Type: application/json"], 415],
    ["POST /assets", ["Content-Type: text/plain"], 415],
    [
      `PATCH /uploads/${upload}`,
      ["Tus-Resumable: 1.0.0", "Upload-Offset: 0", "Content-Type: text/plain"],
      415,
    ],
    [
      `PATCH /uploads/${upload}`,
      ["Tus-Resumable: 1.0.0", "Upload-Offset: 0", "Content-Type: application/offset+octet-stream"],
      404,
    ],
  ];
  for (const [line, headers, status] of refused) {
    using connection = await connect(server);
    const head = [`${line} HTTP/1.1`, "Host: localhost", "Content-Length: 100000", ...headers].join("\r\n");
    await writeAll(connection, `${head}\r\n\r\n${"x".repeat(100_000)}`);
    assertEquals((await readAnswer(connection)).status, status, line);
    await writeAll(connection, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assertEquals(await statusOrClosed(connection) ?? 200, 200, line);
  }
});

Deno.test("A body that OPTIONS, HEAD or DELETE of an upload has no use for does not keep its connection from closing", async () => {
  await using server = await startTestServer();
  for (const method of ["OPTIONS", "HEAD", "DELETE"]) {
    const connection = await connect(server);
    const head = [
      `${method} /uploads/x HTTP/1.1`,
      "Host: localhost",
      "Connection: close",
      "Tus-Resumable: 1.0.0",
      "Transfer-Encoding: chunked",
      "Expect: 100-continue",
    ].join("\r\n");
    const chunk = `3e8\r\n${"x".repeat(1000)}\r\n`;
    await writeAll(connection, `${head}\r\n\r\n${chunk.repeat(20)}0\r\n\r\n`);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      connection.close();
    }, 5000);
    // A reset ends it as well.
    while (await connection.read(new Uint8Array(4096)).catch(() => null) !== null);
    clearTimeout(timer);
    assertEquals(isLate, false, method);
    connection.close();
  }
});

Deno.test("A body whose HTTP chunks are malformed is 400 or cut off, and never 500", async () => {
  await using server = await startTestServer();
  for (
    const [path, type] of [["/assets", "application/json"], [
      "/upload_asset",
      "multipart/form-data; boundary=b",
    ]]
  ) {
    using connection = await connect(server);
    const head =
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked`;
    await writeAll(connection, `${head}\r\n\r\n5\r\n{"a":\r\nnonsense\r\n`);
    assertEquals(await statusOrClosed(connection) ?? 400, 400, path);
    assertEquals((await fetch(`${server.url}/health`, { method: "HEAD" })).status, 200);
  }
});

Deno.test("tus: another version is 412 with the right one, OPTIONS names the digests, POST to an upload is 404", async () => {
  await using server = await startTestServer();
  const other = await fetch(`${server.url}/uploads/`, {
    method: "POST",
    headers: { "Tus-Resumable": "0.2.2" },
  });
  assertEquals([other.status, other.headers.get("Tus-Version")], [412, "1.0.0"]);
  await other.body?.cancel();
  const options = await fetch(`${server.url}/uploads/`, { method: "OPTIONS" });
  assertEquals(options.headers.get("Tus-Checksum-Algorithm"), "sha1,sha256,md5");
  await options.body?.cancel();
  const nested = await fetch(`${server.url}/uploads/a/b`, {
    method: "POST",
    headers: { "Tus-Resumable": "1.0.0" },
  });
  assertEquals([nested.status, (await nested.json()).code], [404, "route_not_found"]);
  const get = await fetch(`${server.url}/uploads/x`);
  assertEquals([get.status, (await get.json()).code], [405, "method_not_allowed"]);
});

/** The status of the next answer, or `undefined` if the server closes the connection instead. */
async function statusOrClosed(connection: Deno.Conn): Promise<number | undefined> {
  let text = "";
  const buffer = new Uint8Array(4096);
  while (!/^HTTP\/1\.1 \d{3}/.test(text)) {
    const count = await connection.read(buffer).catch(() => null);
    if (count === null) return undefined;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return Number(text.slice(9, 12));
}
