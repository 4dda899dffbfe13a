import { assertEquals } from "@std/assert";
import { compileFilter } from "../../src/collection/filter.ts";
import type { Json, JsonObject } from "../../src/collection/json.ts";

const document: JsonObject = {
  n: 7,
  zero: 0,
  half: 2.5,
  s: "Straße 😀",
  empty: "",
  nil: null,
  list: [1, 2, 3],
  parts: [{ size: 1, tags: ["x"] }, { size: 5 }, { color: "red" }, 9],
  o: { x: 1, y: 2 },
  yes: true,
};

/** Whether `{$expr}` holds for the document. */
function holds(expression: Json): boolean {
  return compileFilter({ $expr: expression }).test(document);
}

/** An expression of the manual's, and the value it has on the document. */
type Row = readonly [says: string, expression: Json, value: Json];

const rows: readonly Row[] = [
  ["reads a field", "$n", 7],
  ["reads a path", "$o.y", 2],
  ["collects through an array", "$parts.size", [1, 5]],
  ["does not take a number as an index", { $ifNull: ["$list.0", "none"] }, []],
  ["reads $$ROOT", { $cmp: ["$$ROOT.n", "$$CURRENT.n"] }, 0],
  ["takes a literal", { $literal: "$n" }, "$n"],
  ["makes an array, with null for missing", ["$n", "$gone"], [7, null]],
  ["makes an object, without what is missing", { k: "$n", m: "$gone" }, { k: 7 }],
  ["compares numbers", { $gt: ["$n", 5] }, true],
  ["orders types", { $lt: ["$n", "a"] }, true],
  ["tells missing from null", { $eq: ["$gone", null] }, false],
  ["has missing below null", { $lt: ["$gone", null] }, true],
  ["takes missing as equal to missing", { $eq: ["$gone", "$gone.too"] }, true],
  ["does not open arrays to compare", { $eq: ["$list", 1] }, false],
  ["compares arrays", { $gte: ["$list", [1, 2]] }, true],
  ["minds the order of keys", { $eq: ["$o", { y: 2, x: 1 }] }, false],
  ["gives -1, 0 or 1", { $cmp: ["$n", 900] }, -1],
  ["orders strings by code point", { $cmp: ["\u{1f600}", "\ufffd"] }, 1],
  ["has $and", { $and: ["$n", "$s"] }, true],
  ["takes an empty string as true", { $and: ["$empty"] }, true],
  ["takes 0, null and missing as false", { $or: ["$zero", "$nil", "$gone"] }, false],
  ["has $and of nothing true", { $and: [] }, true],
  ["has $or of nothing false", { $or: [] }, false],
  ["has $not", { $not: ["$zero"] }, true],
  ["has $not of an empty string false", { $not: "$empty" }, false],
  ["adds", { $add: ["$n", 1, 2] }, 10],
  ["adds null to null", { $add: ["$n", "$nil"] }, null],
  ["subtracts", { $subtract: ["$n", 10] }, -3],
  ["multiplies", { $multiply: ["$n", 2, 3] }, 42],
  ["multiplies nothing to 1", { $multiply: [] }, 1],
  ["divides", { $divide: ["$n", 2] }, 3.5],
  ["divides null to null", { $divide: ["$gone", 2] }, null],
  ["has the remainder's sign from the dividend", { $mod: [-7, 4] }, -3],
  ["has $abs", { $abs: -3 }, 3],
  ["has $abs of null", { $abs: "$nil" }, null],
  ["has $ceil", { $ceil: "$half" }, 3],
  ["has $floor", { $floor: -2.5 }, -3],
  ["rounds half to even", { $round: ["$half", 0] }, 2],
  ["rounds half to even upwards", { $round: [3.5] }, 4],
  ["rounds a bare argument", { $round: 10.6 }, 11],
  ["rounds what a double is, not what it looks like", { $round: [1.005, 2] }, 1],
  ["rounds at a place", { $round: [19.25, 1] }, 19.2],
  ["rounds in front of the point", { $round: [1250, -2] }, 1200],
  ["rounds negative numbers", { $round: [-2.5] }, -2],
  ["rounds at no place to null", { $round: [1.5, "$nil"] }, null],
  ["cuts", { $trunc: [7.85, 1] }, 7.8],
  ["cuts negative numbers towards zero", { $trunc: -7.8 }, -7],
  ["cuts in front of the point", { $trunc: [1299, -2] }, 1200],
  ["has $cond", { $cond: [{ $gt: ["$n", 5] }, "big", "small"] }, "big"],
  ["has $cond in its long form", { $cond: { if: "$zero", then: 1, else: 2 } }, 2],
  ["does not evaluate the other branch", { $cond: ["$yes", 1, { $divide: [1, 0] }] }, 1],
  ["has $ifNull", { $ifNull: ["$nil", "$gone", "$n"] }, 7],
  ["has $ifNull end with its last", { $ifNull: ["$nil", null] }, null],
  ["counts an array", { $size: "$list" }, 3],
  ["finds in an array", { $in: [2, "$list"] }, true],
  ["finds no part of an array", { $in: [[1], "$list"] }, false],
  ["takes an element", { $arrayElemAt: ["$list", 0] }, 1],
  ["takes an element from the end", { $arrayElemAt: ["$list", -1] }, 3],
  ["takes an element of null", { $arrayElemAt: ["$gone", 0] }, null],
  ["misses beyond the end", { $ifNull: [{ $arrayElemAt: ["$list", 9] }, "none"] }, "none"],
  ["joins strings", { $concat: ["a", "$empty", "b"] }, "ab"],
  ["joins null to null", { $concat: ["a", "$gone"] }, null],
  ["lowers letters of ASCII", { $toLower: "ÄBC" }, "Äbc"],
  ["raises letters of ASCII", { $toUpper: "$s" }, "STRAßE 😀"],
  ["has no letters in null", { $toLower: "$nil" }, ""],
  ["counts code points", { $strLenCP: "$s" }, 8],
];

for (const [says, expression, value] of rows) {
  Deno.test(`$expr ${says}: ${JSON.stringify(expression)}`, () => {
    // The value is compared by $eq itself, null told from missing.
    assertEquals(holds({ $eq: [expression, { $literal: value }] }), true);
    assertEquals(holds({ $eq: [expression, { $literal: "something else" }] }), false);
  });
}

const failing: readonly Json[] = [
  { $add: ["$n", "$s"] },
  { $subtract: ["$s", 1] },
  { $multiply: ["$yes", 1] },
  { $divide: ["$n", "$zero"] },
  { $mod: ["$n", 0] },
  { $abs: "$s" },
  { $ceil: "$list" },
  { $round: ["$n", 0.5] },
  { $round: ["$n", 101] },
  { $size: "$gone" },
  { $size: "$s" },
  { $in: [1, "$gone"] },
  { $arrayElemAt: ["$s", 0] },
  { $arrayElemAt: ["$list", 0.5] },
  { $concat: ["a", "$n"] },
  { $toLower: "$list" },
  { $strLenCP: "$nil" },
];

for (const expression of failing) {
  Deno.test(`$expr that fails matches neither plainly nor under $nor: ${JSON.stringify(expression)}`, () => {
    assertEquals(compileFilter({ $expr: { $ne: [expression, "x"] } }).test(document), false);
    assertEquals(compileFilter({ $nor: [{ $expr: expression }] }).test(document), false);
    assertEquals(compileFilter({ $expr: { $and: [[expression], true] } }).test(document), false);
  });
}

Deno.test("$expr that fails at one document leaves the next alone", () => {
  const { test } = compileFilter({ $nor: [{ $expr: { $gt: [{ $size: "$list" }, 3] } }] });
  assertEquals([{}, document, { list: 5 }, { list: [] }].map(test), [false, true, false, true]);
});

Deno.test("$expr stands beside fields and inside $and, $or and $nor", () => {
  assertEquals(compileFilter({ n: 7, $expr: { $gt: ["$n", "$zero"] } }).test(document), true);
  assertEquals(compileFilter({ $or: [{ n: 8 }, { $expr: { $lt: ["$n", "$zero"] } }] }).test(document), false);
  assertEquals(compileFilter({ $nor: [{ $expr: { $lt: ["$n", "$zero"] } }] }).test(document), true);
});

Deno.test("$expr sees own keys only", () => {
  assertEquals(compileFilter({ $expr: { $eq: ["$constructor", "$gone"] } }).test({}), true);
  const proto: JsonObject = JSON.parse('{"__proto__": 1}');
  assertEquals(compileFilter({ $expr: { $eq: ["$__proto__", 1] } }).test(proto), true);
  assertEquals(
    compileFilter(JSON.parse('{"$expr":{"$eq":["$$ROOT",{"__proto__":"$__proto__"}]}}')).test(proto),
    true,
  );
});

Deno.test("compileFilter() does not let $concat build a text without end", () => {
  const filter = compileFilter({ $expr: { $gt: [{ $strLenCP: { $concat: Array(2000).fill("$s") } }, 0] } });
  assertEquals(filter.test({ s: "x".repeat(100) }), true);
  assertEquals(filter.test({ s: "x".repeat(250_000) }), false);
});
