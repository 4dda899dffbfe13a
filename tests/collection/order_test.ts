import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ServiceError } from "../../src/errors.ts";
import type { Json, JsonObject } from "../../src/collection/json.ts";
import { compareBson, compareBySort, parseSort, sortValues } from "../../src/collection/order.ts";
import { codePoint } from "../unicode.ts";

/** Values in BSON's order (manual, "Comparison/Sort Order"), each less than the next. */
const ascending: Json[] = [
  null,
  -1e300,
  -1,
  0,
  0.5,
  1,
  1e300,
  "",
  "a",
  "aa",
  "b",
  "\ud7ff",
  "\ue000",
  "\ufffd",
  "\u{10000}",
  "\u{1f600}",
  {},
  { a: null },
  { a: 1 },
  { a: 1, b: 1 },
  { a: 2 },
  { b: 0 },
  { a: "1" },
  { a: {} },
  { a: [] },
  { a: false },
  [],
  [null],
  [1],
  [1, 1],
  [2],
  ["a"],
  [{}],
  [[]],
  [true],
  false,
  true,
];

Deno.test("compareBson() orders values by type, then by value", () => {
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries()) {
      assertEquals([a, b, Math.sign(compareBson(a, b))], [a, b, Math.sign(i - j)]);
    }
  }
});

Deno.test("compareBson() takes missing as null, and 0 as -0", () => {
  assertEquals(compareBson(undefined, null), 0);
  assertEquals(compareBson(undefined, undefined), 0);
  assert(compareBson(undefined, 0) < 0);
  assertEquals(compareBson(0, -0), 0);
});

Deno.test("compareBson() minds the order of keys", () => {
  assert(compareBson({ x: 1, y: 2 }, { y: 2, x: 1 }) < 0);
});

Deno.test("compareBson() compares nesting far deeper than the call stack", () => {
  const deep = (leaf: number): Json => {
    let value: Json = leaf;
    for (let i = 0; i < 100_000; i++) value = i % 2 === 0 ? [value] : { a: value };
    return value;
  };
  assertEquals(Math.sign(compareBson(deep(1), deep(2))), -1);
  assertEquals(compareBson(deep(1), deep(1)), 0);
});

const json = fc.jsonValue({ depthSize: "small" }).map((value) => value as Json);

Deno.test("compareBson() is a total order", () => {
  fc.assert(fc.property(json, json, json, (a, b, c) => {
    const sign = (x: Json, y: Json) => Math.sign(compareBson(x, y));
    assertEquals(sign(a, a), 0);
    assertEquals(sign(a, b) + sign(b, a), 0);
    if (sign(a, b) <= 0 && sign(b, c) <= 0) assert(sign(a, c) <= 0);
  }));
});

Deno.test("compareBson() orders strings as their UTF-8 bytes", () => {
  // UTF-16 has those of one unit above U+DFFF behind those of two.
  const unit = fc.oneof(codePoint, fc.constantFrom("a", "\uD7FF", "\uE000", "\uFFFD", "😀", "\u{10FFFF}"));
  const text = fc.array(unit, { maxLength: 4 }).map((units) => units.join(""));
  const bytes = (text: string): Json => [...new TextEncoder().encode(text)];
  fc.assert(fc.property(text, text, (a, b) => {
    assertEquals(Math.sign(compareBson(a, b)), Math.sign(compareBson(bytes(a), bytes(b))));
  }));
});

Deno.test("parseSort() reads paths and directions", () => {
  assertEquals(parseSort("asset_name,-asset_file_info.file_size"), [
    { path: "asset_name", descending: false },
    { path: "asset_file_info.file_size", descending: true },
  ]);
  assertEquals(parseSort("--x, y"), [{ path: "-x", descending: true }, { path: " y", descending: false }]);
});

const tooMany = Array.from({ length: 33 }, (_, i) => `f${i}`).join(",");
const tooLong = Array(201).fill("a").join(".");
for (
  const text of [
    "",
    "-",
    "a,",
    ",a",
    "a,,b",
    "a.",
    ".a",
    "a..b",
    "$a",
    "a.$b",
    "a\0",
    "a,a",
    "a,-a",
    tooMany,
    tooLong,
  ]
) {
  Deno.test(`parseSort() refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
    const error = assertThrows(() => parseSort(text), ServiceError);
    assertEquals(error.code, "invalid_request");
  });
}

Deno.test("parseSort() takes 32 keys, and 200 parts of one", () => {
  assertEquals(parseSort(tooLong.slice(2)).length, 1);
  assertEquals(parseSort(tooMany.slice(0, tooMany.lastIndexOf(","))).length, 32);
});

/** The values of `k`, which names the documents, in sorted order. */
function sorted(sort: string, documents: JsonObject[]): (Json | undefined)[] {
  const keys = parseSort(sort);
  const valuesOf = sortValues(keys);
  const compare = compareBySort(keys);
  return documents.map((document) => ({ document, by: valuesOf(document) }))
    .sort((a, b) => compare(a.by, b.by)).map(({ document }) => document.k);
}

Deno.test("sortValues() sorts by the smallest element, or descending by the largest", () => {
  const documents: JsonObject[] = [{ k: "a", v: [5, 9] }, { k: "b", v: [1, 7] }, { k: "c", v: 6 }];
  assertEquals(sorted("v", documents), ["b", "a", "c"]);
  assertEquals(sorted("-v", documents), ["a", "b", "c"]);
});

Deno.test("sortValues() has an empty array below null, and missing as null", () => {
  const documents: JsonObject[] = [{ k: "one", v: 1 }, { k: "null", v: null }, { k: "missing" }, {
    k: "empty",
    v: [],
  }];
  assertEquals(sorted("v", documents), ["empty", "null", "missing", "one"]);
  assertEquals(sorted("-v", documents), ["one", "null", "missing", "empty"]);
});

Deno.test("sortValues() takes an element that is an array as it is", () => {
  const documents: JsonObject[] = [{ k: "nested", v: [[1]] }, { k: "object", v: { x: 1 } }, {
    k: "true",
    v: true,
  }];
  assertEquals(sorted("v", documents), ["object", "nested", "true"]);
});

Deno.test("sortValues() follows paths through arrays of objects, by index and by key", () => {
  const documents: JsonObject[] = [{ k: "a", v: [{ x: 3 }, { x: 8 }] }, { k: "b", v: [{ x: 5 }, {}] }, {
    k: "c",
    v: { x: 4 },
  }];
  assertEquals(sorted("v.x", documents), ["b", "a", "c"]);
  assertEquals(sorted("-v.x", documents), ["a", "b", "c"]);
  assertEquals(sorted("v.0.x", documents), ["c", "a", "b"]);
});

Deno.test("sortValues() has a scalar element lack the field, and an empty array too", () => {
  const valuesOf = sortValues(parseSort("v.x"));
  assertEquals(valuesOf({ v: [1] }), [null]);
  assertEquals(valuesOf({ v: [] }), [null]);
  assertEquals(valuesOf({ v: "s" }), [null]);
  assertEquals(sortValues(parseSort("v"))({ v: [] }), [undefined]);
});

Deno.test("sortValues() takes keys that meet in one array from the same element", () => {
  const v = [{ x: 1, y: 9 }, { x: 1, y: 2 }, { x: 2, y: 1 }];
  assertEquals(sortValues(parseSort("v.x,v.y"))({ v }), [1, 2]);
  assertEquals(sortValues(parseSort("v.x,-v.y"))({ v }), [1, 9]);
  assertEquals(sortValues(parseSort("-v.y,v.x"))({ v }), [9, 1]);
});

Deno.test("sortValues() reduces two arrays each on its own", () => {
  assertEquals(sortValues(parseSort("v,-w"))({ v: [3, 1], w: [3, 1] }), [1, 3]);
});

Deno.test("sortValues() reads own keys only", () => {
  assertEquals(sortValues(parseSort("constructor,__proto__,a.toString"))({ a: {} }), [null, null, null]);
  assertEquals(sortValues(parseSort("__proto__"))(JSON.parse('{"__proto__":5}')), [5]);
});

Deno.test("compareBySort() goes on to the next key on a tie", () => {
  const documents: JsonObject[] = [{ k: 1, a: 1, b: 1 }, { k: 2, a: 1, b: 2 }, { k: 3, a: 0, b: 0 }];
  assertEquals(sorted("a,-b", documents), [3, 2, 1]);
});

Deno.test("compareBySort() is a total order over documents", () => {
  const document = fc.record({ a: json, b: json }, { requiredKeys: [] }).map((value): JsonObject => ({
    ...value,
  }));
  const keys = parseSort("a,-b,a.a,-b.0");
  const valuesOf = sortValues(keys);
  const compare = compareBySort(keys);
  fc.assert(fc.property(document, document, document, (x, y, z) => {
    const sign = (a: JsonObject, b: JsonObject) => Math.sign(compare(valuesOf(a), valuesOf(b)));
    assertEquals(sign(x, y) + sign(y, x), 0);
    if (sign(x, y) <= 0 && sign(y, z) <= 0) assert(sign(x, z) <= 0);
  }));
});
