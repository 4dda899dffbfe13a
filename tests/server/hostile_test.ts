/** Requests that no honest client makes, each of which once got a 500. */
import { assertEquals } from "@std/assert";
import { json, startTestServer, uploadForm } from "./harness.ts";
import { rawRequest } from "./raw.ts";

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
