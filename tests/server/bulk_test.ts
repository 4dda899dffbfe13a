/** `POST /assets/bulk` over HTTP. */
import { assert, assertEquals } from "@std/assert";
import type { Json, JsonObject } from "../../src/collection/json.ts";
import { assertError, assertStatus, at, created, getAsset, namesOf, query, send, textAt } from "./client.ts";
import { startTestServer, type TestServer, uploadForm } from "./harness.ts";
import { connect, writeAll } from "./raw.ts";

const ELSEWHERE = "https://files.example.com/model.bin";
const NDJSON = { "Content-Type": "application/x-ndjson" };

/** The body of an asset with a URI. */
function body(name: string, more: JsonObject = {}): JsonObject {
  const asset_version = { version: "1", tag: "t" };
  return { asset_name: name, asset_version, asset_public_url: ELSEWHERE, ...more };
}

function ndjson(lines: (Json | string)[]): string {
  return lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join("");
}

function parse(text: string): Json[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** Sends lines; the answers. */
async function bulk(server: TestServer, lines: string | Uint8Array<ArrayBuffer>): Promise<Json[]> {
  const answer = await send(server, "/assets/bulk", { method: "POST", body: lines, headers: NDJSON });
  assertStatus(answer, 200);
  assertEquals(answer.headers.get("Content-Type"), "application/x-ndjson");
  return parse(answer.text);
}

/** The number of each answered line with its code, "" for success. */
function codes(answers: Json[]): [number, string][] {
  return answers.map((answer) => [
    Number(at(answer, "line")),
    at(answer, "success") === true ? "" : textAt(answer, "code"),
  ]);
}

Deno.test("Bulk: every line makes an asset as POST /asset does, and is answered in order", async () => {
  await using server = await startTestServer();
  const whole = body("whole", {
    asset_metadata: { a: [1, { b: null }] },
    asset_tags: ["x"],
    asset_id: "own",
  });
  const answers = await bulk(server, ndjson([whole, { asset_name: "bare" }, body("third")]));
  assertEquals(codes(answers), [[1, ""], [2, ""], [3, ""]]);
  assertEquals(answers.map((answer) => at(answer, "asset_uri")), ["whole:1-t", "", "third:1-t"]);
  const asset = at((await getAsset(server, textAt(answers[0], "id"))).body, "data");
  const twin = await created(server, { ...whole, asset_name: "twin", asset_id: "other" });
  assertEquals(asset, { ...twin.asset, asset_name: "whole", asset_id: "own", asset_uri: "whole:1-t" });
  const bare = at((await getAsset(server, textAt(answers[1], "id"))).body, "data.asset_id");
  assertEquals(bare, at(answers[1], "id"));
  assertEquals(await namesOf(server, {}), ["whole", "bare", "third", "twin"]);
});

Deno.test("Bulk: a bad line is answered with its code, and does not stop the others", async () => {
  await using server = await startTestServer();
  const head = new TextEncoder().encode(ndjson([
    "{",
    body("a"),
    "[]",
    { asset_name: "b", colour: 1, asset_tags: [1] },
    {},
    "null",
    '{"asset_name":"c","asset_metadata":{"n":1e999}}',
  ]));
  const tail = new TextEncoder().encode(`\n${JSON.stringify(body("d"))}`);
  const answers = await bulk(server, new Uint8Array([...head, 0x22, 0xff, 0x22, ...tail]));
  assertEquals(codes(answers), [
    [1, "invalid_json"],
    [2, ""],
    [3, "invalid_request"],
    [4, "invalid_request"],
    [5, "invalid_request"],
    [6, "invalid_request"],
    [7, "invalid_json"],
    [8, "invalid_json"],
    [9, ""],
  ]);
  const [, , , fields] = answers;
  assert(/colour.*asset_tags\.0|asset_tags\.0.*colour/.test(textAt(fields, "error")), JSON.stringify(fields));
  assertEquals(await namesOf(server, {}), ["a", "d"]);
});

Deno.test("Bulk: blank lines are skipped but counted, an empty body has no answers", async () => {
  await using server = await startTestServer();
  assertEquals(
    codes(await bulk(server, `\n${JSON.stringify(body("a"))}\r\n \r\n\n${JSON.stringify(body("b"))}`)),
    [
      [2, ""],
      [5, ""],
    ],
  );
  assertEquals(await bulk(server, ""), []);
});

Deno.test("Bulk: the limits of 1 MiB hold for each line, of 256 KiB for each asset", async () => {
  await using server = await startTestServer();
  const padded = (name: string, bytes: number) => body(name, { asset_metadata: { text: "x".repeat(bytes) } });
  const lines = [padded("a", 2 ** 20), padded("b", 250_000), padded("c", 270_000), body("d")];
  assertEquals(codes(await bulk(server, ndjson(lines))), [[1, "too_large"], [2, ""], [3, "too_large"], [
    4,
    "",
  ]]);
  // What is too long is not looked at, what is not is no JSON.
  assertEquals(codes(await bulk(server, `${"x".repeat(2 ** 20)}\n${"x".repeat(2 ** 20 + 1)}\n`)), [
    [1, "invalid_json"],
    [2, "too_large"],
  ]);
  // Many MiB in one line are passed over.
  assertEquals(codes(await bulk(server, `${"x".repeat(20 * 2 ** 20)}\n${JSON.stringify(body("e"))}`)), [
    [1, "too_large"],
    [2, ""],
  ]);
  assertEquals(await namesOf(server, {}), ["b", "d", "e"]);
});

Deno.test("Bulk: what is taken is refused for its own line", async () => {
  await using server = await startTestServer();
  await created(server, body("old"));
  const form = uploadForm("bytes", { name: "file" });
  const file = await (await fetch(`${server.url}/upload_asset`, { method: "POST", body: form })).json();
  const { id } = await created(server, body("elsewhere"));
  const answers = await bulk(
    server,
    ndjson([
      body("old"),
      body("a", { asset_id: file.asset_id }),
      body("b", { asset_id: id }),
      body("c", { asset_id: "mine" }),
      body("d", { asset_id: "mine" }),
      body("e"),
      body("e"),
    ]),
  );
  const taken = "already_exists";
  assertEquals(codes(answers), [[1, taken], [2, taken], [3, taken], [4, ""], [5, taken], [6, ""], [
    7,
    taken,
  ]]);
  assertEquals(await namesOf(server, {}), ["old", "file", "elsewhere", "c", "e"]);
});

Deno.test("Bulk: of lines with one URI the first makes the asset, however far they are apart", async () => {
  await using server = await startTestServer();
  const lines = Array.from({ length: 900 }, (_, n) => body(`a${n % 300}`, { asset_metadata: { n } }));
  const answers = await bulk(server, ndjson(lines));
  assertEquals(
    codes(answers),
    lines.map((_, n) => [n + 1, n < 300 ? "" : "already_exists"] satisfies [number, string]),
  );
  const kept = await query(server, { "asset_metadata.n": { $gte: 300 } }, "?count=only");
  assertEquals(at(kept.body, "count"), 0);
});

Deno.test("Bulk: a body of thousands of lines, sent again, makes nothing twice", async () => {
  await using server = await startTestServer();
  const lines = ndjson(Array.from({ length: 3000 }, (_, n) => body(`a${n}`)));
  const first = codes(await bulk(server, lines));
  assertEquals(first, first.map((_, n) => [n + 1, ""] satisfies [number, string]));
  assertEquals(first.length, 3000);
  // Without a length.
  const stream = new Blob([lines]).stream();
  const again = await send(server, "/assets/bulk", { method: "POST", body: stream, headers: NDJSON });
  assert(codes(parse(again.text)).every(([, code]) => code === "already_exists"));
  assertEquals(at((await query(server, {}, "?count=only")).body, "count"), 3000);
});

Deno.test("Bulk: any other media type is 415", async () => {
  await using server = await startTestServer();
  for (const headers of [{ "Content-Type": "application/json" }, { "Content-Type": "text/plain" }]) {
    const answer = await send(server, "/assets/bulk", { method: "POST", body: "{}", headers });
    assertError(answer, 415, "unsupported_media_type");
  }
  const typed = { "Content-Type": "Application/X-NDJSON; charset=utf-8" };
  const answer = await send(server, "/assets/bulk", { method: "POST", body: "{}", headers: typed });
  assertEquals(codes(parse(answer.text)), [[1, "invalid_request"]]);
});

/** A request with the head sent, and its body to be sent piece by piece. */
async function openBulk(server: TestServer) {
  const connection = await connect(server);
  const { host } = new URL(server.url);
  await writeAll(
    connection,
    `POST /assets/bulk HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  const decoder = new TextDecoder();
  let seen = "";
  return {
    [Symbol.dispose]: () => connection.close(),
    connection,
    send: (text: string) =>
      writeAll(connection, `${new TextEncoder().encode(text).length.toString(16)}\r\n${text}\r\n`),
    /** Reads until this has come; returns all that has. */
    async until(pattern: RegExp): Promise<string> {
      const buffer = new Uint8Array(64 * 1024);
      while (!pattern.test(seen)) {
        const count = await connection.read(buffer);
        if (count === null) throw new Error(`It ended after ${JSON.stringify(seen)}`);
        seen += decoder.decode(buffer.subarray(0, count));
      }
      return seen;
    },
  };
}

Deno.test("Bulk: the answer begins before the first line, and each line is answered before the next is sent", async () => {
  await using server = await startTestServer();
  using request = await openBulk(server);
  await request.until(/^HTTP\/1\.1 200 [^]*\r\n\r\n/);
  for (let n = 1; n <= 5; n++) {
    await request.send(ndjson([body(`a${n}`)]));
    await request.until(new RegExp(`"line":${n},"success":true`));
    assertEquals((await namesOf(server, {})).length, n);
  }
});

Deno.test("Bulk: what was answered stays when the client goes away, and the unfinished line makes nothing", async () => {
  await using server = await startTestServer();
  {
    using request = await openBulk(server);
    const cut = JSON.stringify(body("cut"));
    await request.send(ndjson([body("a"), body("b")]) + cut.slice(0, -1));
    await request.until(/"line":2,"success":true/);
  }
  assertEquals(at((await query(server, {}, "?count=only")).body, "count"), 2);
  // A line that is whole but for its end makes nothing either while the body may go on.
  {
    using request = await openBulk(server);
    await request.send(ndjson([body("c")]) + JSON.stringify(body("cut")));
    await request.until(/"line":1,"success":true/);
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  assertEquals(await namesOf(server, {}), ["a", "b", "c"]);
});

Deno.test("Bulk: a body that stands still ends with a line that says so", async () => {
  await using server = await startTestServer({ idleTimeout: "1s" });
  using request = await openBulk(server);
  await request.send(`${ndjson([body("a")])}{"asset_name":`);
  const seen = await request.until(/"line":2/);
  assert(/"line":1,"success":true/.test(seen), seen);
  assert((await request.until(/"line":2,"success":false,"code":"timeout"[^\n]*\n/)) !== "");
});

Deno.test("Bulk: a client that takes no answers is read no further, and given up after the idle time-out", async () => {
  await using server = await startTestServer({ idleTimeout: "1s" });
  const bad = `{"${"x".repeat(10_000)}":1}\n`.repeat(20);
  {
    using request = await openBulk(server);
    let sentBytes = 0;
    const sending = (async () => {
      // The answers are more than twice as long as the lines.
      for (; sentBytes < 40 * 2 ** 20; sentBytes += bad.length) await request.send(bad);
      await request.send(ndjson([body("late")]));
    })().catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 900));
    assert(sentBytes < 30 * 2 ** 20, `${sentBytes} bytes were taken`);
    const late = new Promise((resolve) => setTimeout(resolve, 2500));
    await Promise.race([sending, late]);
  }
  assertEquals(await namesOf(server, {}), []);
});
