/** `GET` and `HEAD /asset-object/<id>`: headers, ranges, conditions. */
import { assert, assertEquals } from "@std/assert";
import { assertError, assertStatus, created, dispositionName, send, uploaded } from "./client.ts";
import { registerFor, type Suite } from "./suite.ts";

const DIGITS = "0123456789";
const SHA256 = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";

/** Ranges of ten bytes: what comes back, and its `Content-Range`. */
const SATISFIABLE: [string, string, string][] = [
  ["bytes=0-3", "0123", "0-3"],
  ["bytes=3-3", "3", "3-3"],
  ["bytes=0-0", "0", "0-0"],
  ["bytes=9-9", "9", "9-9"],
  ["bytes=5-", "56789", "5-9"],
  ["bytes=0-", DIGITS, "0-9"],
  ["bytes=9-", "9", "9-9"],
  ["bytes=-3", "789", "7-9"],
  ["bytes=-1", "9", "9-9"],
  ["bytes=-10", DIGITS, "0-9"],
  ["bytes=-100", DIGITS, "0-9"],
  ["bytes=7-100", "789", "7-9"],
  ["bytes=2-99999999999999999999", "23456789", "2-9"],
  ["Bytes=1-2", "12", "1-2"],
];

const UNSATISFIABLE = ["bytes=10-", "bytes=10-20", "bytes=11-11", "bytes=-0", "bytes=99999999999999999999-"];

/** Several ranges, and what is no range: the whole file (RFC 9110 §14.2). */
const IGNORED = [
  "bytes=0-1,4-5",
  "bytes=3-1",
  "bytes=abc",
  "bytes=",
  "bytes=-",
  "bytes=1-x",
  "bytes 0-1",
  "items=0-1",
  "0-1",
];

export function objectTests(suite: Suite): void {
  const test = registerFor(suite);
  const { lacksFirstByteRange } = suite.gaps;

  test("GET /asset-object sends every header of a download", async (server) => {
    const before = Math.floor(Date.now() / 1000) * 1000;
    const { id } = await uploaded(server, DIGITS, {
      fileType: "text/plain; charset=utf-8",
      fileName: "digits.txt",
    });
    const { text, headers } = assertStatus(await send(server, `/asset-object/${id}`), 200);
    assertEquals(text, DIGITS);
    assertEquals(headers.get("Content-Type"), "text/plain; charset=utf-8");
    assertEquals(headers.get("Content-Length"), "10");
    assertEquals(headers.get("ETag"), `"${SHA256}"`);
    assertEquals(headers.get("Repr-Digest"), `sha-256=:${Uint8Array.fromHex(SHA256).toBase64()}:`);
    assertEquals(headers.get("Accept-Ranges"), "bytes");
    assertEquals(headers.get("X-Content-Type-Options"), "nosniff");
    assertEquals(dispositionName(headers.get("Content-Disposition") ?? ""), "digits.txt");
    const modified = Date.parse(headers.get("Last-Modified") ?? "");
    assert(modified >= before && modified <= Date.now(), headers.get("Last-Modified") ?? "none");
    assertEquals(new Date(modified).toUTCString(), headers.get("Last-Modified"));
    assertEquals(headers.get("Content-Range"), null);
  });

  test("HEAD /asset-object sends GET's headers and no body", async (server) => {
    const { id } = await uploaded(server, DIGITS, { fileType: "text/plain" });
    const { id: bare } = await created(server, { asset_name: "Bare" });
    const { id: elsewhere } = await created(server, {
      asset_name: "E",
      asset_public_url: "https://e.example.com",
    });
    for (const path of [id, elsewhere, bare, "nothing"]) {
      const get = await send(server, `/asset-object/${path}`);
      const head = await send(server, `/asset-object/${path}`, { method: "HEAD" });
      assertEquals(head.status, get.status);
      assertEquals(head.text, "");
      const own = ["date", "x-request-id", "vary", "content-length", "transfer-encoding"];
      const [ofHead, ofGet] = [head, get].map((answer) =>
        [...answer.headers].filter(([name]) => !own.includes(name))
      );
      assertEquals(ofHead, ofGet);
      // RFC 9110 §8.6: none, or that of GET's body.
      const length = head.headers.get("Content-Length");
      if (get.status === 200 || length !== null) assertEquals(Number(length ?? -1), get.text.length, path);
    }
    const ranged = await send(server, `/asset-object/${id}`, {
      method: "HEAD",
      headers: { Range: "bytes=0-1" },
    });
    assertEquals([ranged.status, ranged.headers.get("Content-Length")], [200, "10"]);
  });

  test("A file without a type is application/octet-stream", async (server) => {
    const { id } = await uploaded(server, DIGITS);
    const { headers } = await send(server, `/asset-object/${id}`);
    assertEquals(headers.get("Content-Type"), "application/octet-stream");
  });

  test("One range is a 206 with just these bytes", async (server) => {
    const { id } = await uploaded(server, DIGITS, { fileType: "text/plain" });
    for (const [range, bytes, contentRange] of SATISFIABLE) {
      if (lacksFirstByteRange && range === "bytes=0-0") continue;
      const { status, text, headers } = await send(server, `/asset-object/${id}`, {
        headers: { Range: range },
      });
      assertEquals([status, text], [206, bytes], range);
      assertEquals(headers.get("Content-Range"), `bytes ${contentRange}/10`, range);
      assertEquals(headers.get("Content-Length"), `${bytes.length}`, range);
      assertEquals(headers.get("ETag"), `"${SHA256}"`);
      assertEquals(headers.get("Content-Type"), "text/plain");
    }
  });

  test("An impossible range is 416 with the size in Content-Range", async (server) => {
    const { id } = await uploaded(server, DIGITS);
    for (const range of UNSATISFIABLE) {
      const answer = await send(server, `/asset-object/${id}`, { headers: { Range: range } });
      assertError(answer, 416, "range_not_satisfiable");
      assertEquals(answer.headers.get("Content-Range"), "bytes */10", range);
    }
    const empty = await uploaded(server, "", { name: "Empty" });
    const answer = await send(server, `/asset-object/${empty.id}`, { headers: { Range: "bytes=0-" } });
    assertError(answer, 416, "range_not_satisfiable");
    assertEquals(answer.headers.get("Content-Range"), "bytes */0");
  });

  test("Several ranges, and what is no range at all, give the whole file", async (server) => {
    const { id } = await uploaded(server, DIGITS);
    for (const range of IGNORED) {
      const answer = await send(server, `/asset-object/${id}`, { headers: { Range: range } });
      assertEquals([answer.status, answer.text], [200, DIGITS], range);
      assertEquals(answer.headers.get("Content-Range"), null, range);
    }
  });

  test("If-Range gives the range only while the validator is right", async (server) => {
    const { id } = await uploaded(server, DIGITS);
    const { headers } = await send(server, `/asset-object/${id}`, { method: "HEAD" });
    const modified = headers.get("Last-Modified") ?? "";
    const cases: [string, number][] = [
      [`"${SHA256}"`, 206],
      [`W/"${SHA256}"`, 200],
      ['"other"', 200],
      [modified, 206],
      [dayAfter(modified, -1), 200],
      [dayAfter(modified, 1), 200],
      ["nonsense", 200],
    ];
    for (const [ifRange, status] of cases) {
      const answer = await send(server, `/asset-object/${id}`, {
        headers: { Range: "bytes=1-2", "If-Range": ifRange },
      });
      assertEquals([answer.status, answer.text], [status, status === 206 ? "12" : DIGITS], ifRange);
    }
    const impossible = { Range: "bytes=100-", "If-Range": '"other"' };
    assertStatus(await send(server, `/asset-object/${id}`, { headers: impossible }), 200);
  });

  test("If-None-Match and If-Modified-Since answer 304 to GET and HEAD", async (server) => {
    const { id } = await uploaded(server, DIGITS);
    const { headers } = await send(server, `/asset-object/${id}`, { method: "HEAD" });
    const modified = headers.get("Last-Modified") ?? "";
    const cases: [Record<string, string>, number][] = [
      [{ "If-None-Match": `"${SHA256}"` }, 304],
      [{ "If-None-Match": `W/"${SHA256}"` }, 304],
      [{ "If-None-Match": `"a", "b" , "${SHA256}"` }, 304],
      [{ "If-None-Match": "*" }, 304],
      [{ "If-None-Match": '"other"' }, 200],
      [{ "If-None-Match": SHA256 }, 200],
      [{ "If-Modified-Since": modified }, 304],
      [{ "If-Modified-Since": dayAfter(modified, 1) }, 304],
      [{ "If-Modified-Since": dayAfter(modified, -1) }, 200],
      [{ "If-Modified-Since": "nonsense" }, 200],
      [{ "If-None-Match": '"other"', "If-Modified-Since": modified }, 200],
      [{ "If-None-Match": `"${SHA256}"`, "If-Modified-Since": dayAfter(modified, -1) }, 304],
      [{ "If-None-Match": `"${SHA256}"`, "Range": "bytes=0-1" }, 304],
    ];
    for (const [condition, status] of cases) {
      for (const method of ["GET", "HEAD"]) {
        const answer = await send(server, `/asset-object/${id}`, { method, headers: condition });
        const expected = status === 200 && condition.Range ? 206 : status;
        assertEquals(answer.status, expected, JSON.stringify(condition));
        assertEquals(answer.headers.get("ETag"), `"${SHA256}"`);
        assertEquals(answer.text, expected === 304 || method === "HEAD" ? "" : DIGITS);
      }
    }
  });

  test("If-Match and If-Unmodified-Since answer 412 where the file is another", async (server) => {
    const { id } = await uploaded(server, DIGITS);
    const { headers } = await send(server, `/asset-object/${id}`, { method: "HEAD" });
    const modified = headers.get("Last-Modified") ?? "";
    const cases: [Record<string, string>, number][] = [
      [{ "If-Match": `"${SHA256}"` }, 200],
      [{ "If-Match": `"a", "${SHA256}"` }, 200],
      [{ "If-Match": "*" }, 200],
      [{ "If-Match": '"other"' }, 412],
      [{ "If-Match": `W/"${SHA256}"` }, 412],
      [{ "If-Unmodified-Since": modified }, 200],
      [{ "If-Unmodified-Since": dayAfter(modified, -1) }, 412],
      [{ "If-Unmodified-Since": "nonsense" }, 200],
      [{ "If-Match": `"${SHA256}"`, "If-Unmodified-Since": dayAfter(modified, -1) }, 200],
      [{ "If-Match": '"other"', "If-None-Match": `"${SHA256}"` }, 412],
    ];
    for (const [condition, status] of cases) {
      const answer = await send(server, `/asset-object/${id}`, { headers: condition });
      assertEquals(answer.status, status, JSON.stringify(condition));
      if (status === 412) assertError(answer, 412, "precondition_failed");
      else assertEquals(answer.text, DIGITS);
    }
  });

  test("The id in the path may be percent-encoded; an id of nothing is 404 not_found", async (server) => {
    const { id } = await uploaded(server, DIGITS);
    const encoded = [...id].map((character) => `%${character.charCodeAt(0).toString(16)}`).join("");
    assertEquals((await send(server, `/asset-object/${encoded}`)).text, DIGITS);
    assertError(await send(server, "/asset-object/nothing"), 404, "not_found");
  });
}

/** An HTTP date, days later. */
function dayAfter(date: string, days: number): string {
  return new Date(Date.parse(date) + days * 86_400_000).toUTCString();
}
