/** Filters over HTTP. What each operator means in detail is tested where the filters are; here all of them pass the route. */
import { assert, assertEquals } from "@std/assert";
import { assertError, created, detailPaths, namesOf, query, send, textAt, uploaded } from "./client.ts";
import { json } from "./harness.ts";
import type { TestServer } from "./harness.ts";
import { registerFor, type Suite } from "./suite.ts";

const DOCUMENTS = [
  { asset_name: "a", asset_tags: ["red", "x"], asset_metadata: { n: 1, s: "apple", list: [1, 2, 3] } },
  { asset_name: "b", asset_tags: ["red"], asset_metadata: { n: 2.5, s: "Banana", sub: { x: 1, y: 2 } } },
  {
    asset_name: "c",
    asset_tags: ["green", "x"],
    asset_metadata: { n: 12, s: "cherry", files: [{ k: "a", v: 1 }, { k: "b", v: 5 }] },
  },
  { asset_name: "d", asset_metadata: { n: "12", s: null, flag: true } },
  { asset_name: "e", asset_metadata: { n: null, s: "größe\nzwei", list: [[1, 2], "1"] } },
];

/** A filter and the names of those it finds, oldest first. */
const FILTERS: [Record<string, unknown>, string][] = [
  [{}, "abcde"],
  [{ asset_name: "b" }, "b"],
  [{ asset_tags: "x" }, "ac"],
  [{ asset_tags: ["red"] }, "b"],
  [{ asset_tags: ["x", "red"] }, ""],
  [{ "asset_metadata.sub": { x: 1, y: 2 } }, "b"],
  [{ "asset_metadata.sub": { y: 2, x: 1 } }, ""],
  [{ "asset_metadata.files.k": "b" }, "c"],
  [{ "asset_metadata.files.1.v": 5 }, "c"],
  [{ "asset_metadata.n": null }, "e"],
  [{ "asset_metadata.flag": null }, "abce"],
  [{ "asset_metadata.n": { $eq: 1 } }, "a"],
  [{ "asset_metadata.n": { $ne: 1 } }, "bcde"],
  [{ "asset_metadata.n": { $gt: 2 } }, "bc"],
  [{ "asset_metadata.n": { $gte: 2.5, $lt: 12 } }, "b"],
  [{ "asset_metadata.n": { $lte: 2.5 } }, "ab"],
  [{ "asset_metadata.n": { $gt: "1" } }, "d"],
  [{ "asset_metadata.n": { $in: [1, "12", null] } }, "ade"],
  [{ asset_tags: { $nin: ["red"] } }, "cde"],
  [{ $and: [{ asset_tags: "red" }, { asset_tags: "x" }] }, "a"],
  [{ $or: [{ asset_name: "a" }, { "asset_metadata.flag": true }] }, "ad"],
  [{ $nor: [{ asset_name: "a" }, { asset_name: "b" }] }, "cde"],
  [{ "asset_metadata.n": { $not: { $gt: 2 } } }, "ade"],
  [{ "asset_metadata.list": { $exists: true } }, "ae"],
  [{ "asset_metadata.list": { $exists: false } }, "bcd"],
  [{ "asset_metadata.n": { $type: "string" } }, "d"],
  [{ "asset_metadata.n": { $type: ["null", "bool"] } }, "e"],
  [{ asset_tags: { $all: ["x", "red"] } }, "a"],
  [{ "asset_metadata.files": { $elemMatch: { k: "b", v: { $gt: 1 } } } }, "c"],
  [{ "asset_metadata.files": { $elemMatch: { k: "a", v: { $gt: 1 } } } }, ""],
  [{ asset_tags: { $size: 2 } }, "ac"],
  [{ "asset_metadata.n": { $mod: [2, 0] } }, "bc"],
  [{ "asset_metadata.s": { $regex: "^B" } }, "b"],
  [{ "asset_metadata.s": { $regex: "^b", $options: "i" } }, "b"],
  [{ "asset_metadata.s": { $regex: "^zwei$", $options: "m" } }, "e"],
  [{ "asset_metadata.s": { $regex: "e.z", $options: "s" } }, "e"],
  [{ "asset_metadata.n": 1, $comment: "a note" }, "a"],
  [{ "asset_metadata.n": { $bitsAllSet: 4 } }, "c"],
  [{ "asset_metadata.n": { $bitsAnySet: [0, 2] } }, "ac"],
  [{ "asset_metadata.n": { $bitsAllClear: 3 } }, "c"],
  [{ "asset_metadata.n": { $bitsAnyClear: [0] } }, "c"],
  [{ $expr: { $eq: ["$asset_name", "c"] } }, "c"],
  [{ $expr: { $gt: [{ $strLenCP: "$asset_name" }, 1] } }, ""],
  [{ $expr: { $and: [{ $ne: ["$asset_name", "a"] }, { $lt: ["$asset_name", "c"] }] } }, "b"],
  [{ $expr: { $eq: [{ $size: "$asset_tags" }, 2] } }, "ac"],
  [{ $expr: { $in: ["green", "$asset_tags"] } }, "c"],
  [{ $expr: { $eq: [{ $arrayElemAt: ["$asset_tags", -1] }, "x"] } }, "ac"],
  [{ $expr: { $eq: [{ $concat: ["$asset_name", "-", { $toUpper: "$asset_name" }] }, "b-B"] } }, "b"],
  [{ $expr: { $eq: [{ $ifNull: ["$asset_metadata.flag", "none"] }, "none"] } }, "abce"],
  [{ $expr: { $cond: [{ $eq: ["$asset_name", "a"] }, true, false] } }, "a"],
  [{ $expr: { $eq: ["$asset_name", { $toLower: { $literal: "E" } }] } }, "e"],
  [{
    $and: [{ "asset_metadata.n": { $type: "number" } }, {
      $expr: { $eq: [{ $add: ["$asset_metadata.n", 1] }, 2] },
    }],
  }, "a"],
];

/** A filter that is refused, and what the sentence must name. */
const REFUSED: [unknown, string][] = [
  [{ $where: "true" }, "$where"],
  [{ asset_name: { $where: "true" } }, "$where"],
  [{ $expr: { $function: { body: "return true", args: [], lang: "js" } } }, "$function"],
  [{ $expr: { $accumulator: {} } }, "$accumulator"],
  [{ $jsonSchema: { required: ["x"] } }, "$jsonSchema"],
  [{ $text: { $search: "x" } }, "$text"],
  [{ asset_name: { $near: [0, 0] } }, "$near"],
  [{ asset_name: { $regx: "x" } }, "$regx"],
  [{ $and: [{ $or: [{ asset_name: { $nope: 1 } }] }] }, "$nope"],
  [{ $expr: { $map: { input: [], in: 1 } } }, "$map"],
  [{ $expr: { $eq: [{ $toInt: "5" }, 5] } }, "$toInt"],
  [{ $and: [] }, "$and"],
  [{ $or: {} }, "$or"],
  [{ asset_name: { $not: 5 } }, "$not"],
  [{ asset_name: { $in: "x" } }, "$in"],
  [{ asset_tags: { $size: -1 } }, "$size"],
  [{ asset_name: { $mod: [0, 1] } }, "$mod"],
  [{ asset_name: { $type: "colour" } }, "$type"],
  [{ asset_name: { $regex: 5 } }, "$regex"],
  [{ asset_name: { $regex: "[" } }, "$regex"],
  [{ asset_name: { $regex: "a(?=b)" } }, "look"],
  [{ asset_name: { $regex: "(?<!a)b" } }, "look"],
  [{ asset_name: { $regex: "(a)\\1" } }, "back"],
  [{ asset_name: { $regex: "a", $options: "q" } }, "$options"],
];

async function fill(server: TestServer): Promise<void> {
  for (const document of DOCUMENTS) await created(server, document);
}

export function filterTests(suite: Suite): void {
  const test = registerFor(suite);

  test("POST /assets finds what MongoDB would, oldest first", async (server) => {
    await fill(server);
    for (const [filter, names] of FILTERS) {
      const found = await namesOf(server, filter);
      assertEquals(found.join(""), names, JSON.stringify(filter));
    }
  });

  test("POST /assets refuses operators and arguments that it does not take, and names them", async (server) => {
    await fill(server);
    for (const [filter, named] of REFUSED) {
      const answer = await query(server, filter);
      assertEquals(answer.status, 400, `${JSON.stringify(filter)}: ${answer.text}`);
      assertError(answer, 400, "invalid_filter");
      assert(textAt(answer.body, "error").toLowerCase().includes(named.toLowerCase()), answer.text);
    }
    for (const filter of [[], "text", null, 5, true]) {
      assertError(await query(server, filter), 400, "invalid_filter");
    }
  });

  test("A refused filter is refused also where it could find nothing and where only a count is asked", async (server) => {
    assertError(await query(server, { $where: "1" }), 400, "invalid_filter");
    await fill(server);
    const never = { asset_name: "nobody", asset_tags: { $nope: 1 } };
    assertError(await query(server, never), 400, "invalid_filter");
    assertError(await query(server, never, "?count=only"), 400, "invalid_filter");
    assertError(
      await query(server, never, "?limit=1", { Accept: "application/x-ndjson" }),
      400,
      "invalid_filter",
    );
  });

  test("A filter may have 32 levels and 64 KiB, and no more", async (server) => {
    await fill(server);
    const nested = (levels: number) => {
      let filter: Record<string, unknown> = { asset_name: "a" };
      for (let level = 1; level < levels / 2; level++) filter = { $and: [filter] };
      return filter;
    };
    assertEquals(await namesOf(server, nested(16)), ["a"]);
    assertError(await query(server, nested(200)), 400, ["invalid_filter", "invalid_json"]);
    assertError(await query(server, nested(80)), 400, "invalid_filter");
    const sized = (sizeBytes: number) => {
      const empty = JSON.stringify({ asset_name: { $in: ["a", ""] } }).length;
      return { asset_name: { $in: ["a", "x".repeat(sizeBytes - empty)] } };
    };
    assertEquals(await namesOf(server, sized(64 * 1024)), ["a"]);
    assertError(await query(server, sized(64 * 1024 + 1)), 400, "invalid_filter");
  });

  test("No pattern can hold the server up", async (server) => {
    await created(server, { asset_name: `${"a".repeat(500)}!` });
    for (const pattern of ["^(a+)+$", "^(a|a)*$", "(.*)*(.*)*(.*)*x$", "^(([a-z])+.)+[A-Z]([a-z])+$"]) {
      assertEquals(await namesOf(server, { asset_name: { $regex: pattern } }), []);
    }
  });

  test("A filter that takes longer than --query-timeout is 504 timeout", async (server) => {
    const asset_metadata = { list: Array.from({ length: 20_000 }, (_, n) => n) };
    for (let n = 0; n < 20; n++) await created(server, { asset_name: `${n}`, asset_metadata });
    const $in = Array.from({ length: 8000 }, (_, n) => -n - 1);
    const filter = {
      $expr: { $in: ["nothing", "$asset_metadata.list"] },
      "asset_metadata.list": { $nin: $in },
    };
    assertError(await query(server, filter, "?count=only"), 504, "timeout");
    assertEquals((await send(server, "/health")).status, 200);
  }, { queryTimeout: "5ms" });

  test("A filter finds what came by an upload, what was changed, and not what is gone", async (server) => {
    const { uri } = await uploaded(server, "12345", { fileType: "image/png", more: { asset_tags: ["t"] } });
    assertEquals(await namesOf(server, { "asset_file_info.file_size": { $gt: 4 } }), ["Sample"]);
    assertEquals(await namesOf(server, { asset_uri: uri, "asset_file_info.file_type": "image/png" }), [
      "Sample",
    ]);
    await send(server, `/asset/${uri}`, json("PUT", { asset_tags: ["u"] }));
    assertEquals(await namesOf(server, { asset_tags: "t" }), []);
    assertEquals(await namesOf(server, { asset_tags: "u" }), ["Sample"]);
    await send(server, `/asset/${uri}`, { method: "DELETE" });
    assertEquals(await namesOf(server, {}), []);
  });

  test("Filters see the nine fields alone, and nothing that is stored beside them", async (server) => {
    const { id } = await uploaded(server, "x", { name: "Uploaded" });
    await created(server, { asset_name: "Bare" });
    assertEquals(await namesOf(server, { _object: { $exists: true } }), []);
    assertEquals(await namesOf(server, { id }), []);
    assertEquals(await namesOf(server, { $expr: { $ne: [{ $ifNull: ["$_object", 0] }, 0] } }), []);
  });

  test("Bad values of every query parameter are 400 and named", async (server) => {
    await fill(server);
    const bad: Record<string, string[]> = {
      limit: ["0", "-1", "10001", "abc", "1.5", "", "1e2"],
      cursor: ["garbage", "", "'", "AAAA", "e30"],
      sort: ["", "-", ",", "a,,b", "$a"],
      fields: ["", ",", "a,,b"],
      count: ["", "all", "true"],
      include: ["", "everything"],
    };
    for (const [parameter, values] of Object.entries(bad)) {
      for (const value of values) {
        const limit = parameter === "cursor" ? "&limit=2" : "";
        const answer = await query(server, {}, `?${parameter}=${encodeURIComponent(value)}${limit}`);
        assertEquals(answer.status, 400, `${parameter}=${value}: ${answer.text.slice(0, 300)}`);
        assertError(answer, 400, "invalid_request");
        assert(textAt(answer.body, "error").includes(parameter), answer.text);
      }
    }
    const several = assertError(await query(server, {}, "?limit=0&count=all"), 400, "invalid_request");
    assertEquals(detailPaths(several), ["count", "limit"]);
    const once = assertError(await query(server, {}, "?limit=-1"), 400, "invalid_request");
    assertEquals(once.body.error, "limit must be a number from 1 to 10000.");
    const twice = assertError(await query(server, {}, "?limit=2&limit=3"), 400, "invalid_request");
    assertEquals([twice.body.error, detailPaths(twice)], ["limit can be given only once.", ["limit"]]);
  });
}
