/** What the commands make of typed words, and of what they show. */
import { assertEquals, assertThrows } from "@std/assert";
import stringWidth from "string-width";
import { fieldPaths, sortPaths } from "../../../src/cli/client/asset_columns.ts";
import { metadataOf, parseValue } from "../../../src/cli/client/assignments.ts";
import { ASSET_WORDS, ENTRY_WORDS, filterOf } from "../../../src/cli/client/filter_words.ts";
import { formatBytes, formatDuration } from "../../../src/cli/client/quantities.ts";
import { tableLines } from "../../../src/cli/client/table.ts";
import { printable } from "../../../src/cli/client/terminal.ts";
import { fitEnd, fitMiddle } from "../../../src/cli/client/text_width.ts";
import { ConfigError } from "../../../src/cli/config.ts";

Deno.test("parseValue() takes JSON where it is JSON, and keeps what a number would lose", () => {
  const values: [string, unknown][] = [
    ["0.9", 0.9],
    ["-3", -3],
    ["1.10", "1.10"],
    ["007", "007"],
    ["1e5", "1e5"],
    ["12345678901234567890", "12345678901234567890"],
    ["2024-01-01", "2024-01-01"],
    ["true", true],
    ["null", null],
    ['"1"', "1"],
    ['["a",1]', ["a", 1]],
    ['{"b":1}', { b: 1 }],
    ["[not json]", "[not json]"],
    ["True", "True"],
    ["", ""],
  ];
  for (const [text, value] of values) assertEquals(parseValue(text), value, text);
});

Deno.test("metadataOf() makes objects of dotted keys, over what is there, and keys of any name", () => {
  assertEquals(metadataOf(["a.b=1", "a.c=x=y"], { a: { b: 0, d: 2 }, e: 1 }), {
    a: { b: 1, d: 2, c: "x=y" },
    e: 1,
  });
  const odd = metadataOf(["__proto__.x=1", "constructor=2"]);
  assertEquals(JSON.stringify(odd), '{"__proto__":{"x":1},"constructor":2}');
  assertEquals(Object.getPrototypeOf(odd), Object.prototype);
  assertThrows(() => metadataOf(["=1"]), ConfigError, "key=value");
});

Deno.test("metadataOf() refuses a key that leads through something that is not an object", () => {
  const through = "--meta a.b.c leads through a.b, which is not an object";
  assertThrows(() => metadataOf(["a.b=1", "a.b.c=2"]), ConfigError, through);
  assertThrows(() => metadataOf(["a.b.c=2"], { a: { b: null } }), ConfigError, through);
});

Deno.test("fieldPaths() and sortPaths() know the words of a search, and take others for keys of the metadata", () => {
  assertEquals(fieldPaths("uri, size,tags,q.score,asset_metadata.a,asset_version,"), [
    "asset_uri",
    "asset_file_info.file_size",
    "asset_tags",
    "asset_metadata.q.score",
    "asset_metadata.a",
    "asset_version",
  ]);
  assertEquals(sortPaths("-q.score,name"), "-asset_metadata.q.score,asset_name");
  assertEquals(sortPaths("-"), "-");
});

Deno.test("filterOf() keeps a filter as it is, and knows the words of a registry", () => {
  assertEquals(filterOf(['{"a":1}'], ASSET_WORDS), { a: 1 });
  assertEquals(filterOf([], ASSET_WORDS), {});
  assertEquals(filterOf(["id=lab"], ENTRY_WORDS), { asset_registry_id: { $eq: "lab" } });
  assertEquals(filterOf(["floor>2"], ENTRY_WORDS), { "asset_registry_metadata.floor": { $gt: 2 } });
  assertThrows(() => filterOf(["[1]", "{x"], ASSET_WORDS), ConfigError, "JSON");
  assertThrows(() => filterOf(["tags>a"], ASSET_WORDS), ConfigError, "tags");
});

Deno.test("formatBytes() and formatDuration() round as people do", () => {
  const sizes: [number, string][] = [[0, "0 B"], [999, "999 B"], [1000, "1.0 kB"], [99_940, "99.9 kB"]];
  const larger: [number, string][] = [[99_960, "100 kB"], [999_499, "999 kB"], [999_500, "1.0 MB"], [
    1.5e12,
    "1.5 TB",
  ]];
  for (const [bytes, text] of [...sizes, ...larger]) assertEquals(formatBytes(bytes), text);
  const durations: [number, string][] = [[0, "0:00"], [6.1, "0:07"], [750, "12:30"], [11_100, "3:05:00"]];
  for (const [seconds, text] of durations) assertEquals(formatDuration(seconds), text);
});

Deno.test("fitEnd() and fitMiddle() cut by columns, between characters", () => {
  assertEquals(fitEnd("東京タワー", 6), "東京…");
  assertEquals(fitMiddle("東京タワー:1.0-x", 9), "東京….0-x");
  assertEquals(fitMiddle("👩‍👩‍👧‍👦👩‍👩‍👧‍👦abc", 6), "👩‍👩‍👧‍👦…bc");
  assertEquals(fitEnd("short", 5), "short");
});

Deno.test("tableLines() fits any width, gives the first column room, and drops the last ones", () => {
  const head = [{ title: "URI", cut: "middle" as const }, { title: "SIZE", align: "right" as const }, {
    title: "TAGS",
  }];
  const rows = [["モデル".repeat(12) + ":1.0-initial", "1.0 MB", "tags ".repeat(9)], ["b", "2 B", ""]];
  for (let columns = 1; columns <= 140; columns++) {
    for (const line of tableLines(head, rows, columns)) {
      assertEquals(stringWidth(line) <= columns, true, `${columns}: ${line}`);
    }
  }
  assertEquals(tableLines(head, rows, 140)[0]?.split(/ +/), ["URI", "SIZE", "TAGS"]);
  assertEquals(tableLines(head, rows, 40)[0]?.split(/ +/), ["URI", "SIZE"]);
  assertEquals(tableLines(head, rows, 20)[0]?.split(/ +/), ["URI"]);
});

Deno.test("printable() leaves nothing that a terminal obeys", () => {
  assertEquals(printable("a\u001b[2Jb\nc\u0007\u202edef\u009b"), "a\ufffd[2Jb\ufffdc\ufffd\ufffddef\ufffd");
});
