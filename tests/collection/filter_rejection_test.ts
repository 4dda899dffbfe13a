import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ServiceError } from "../../src/errors.ts";
import { compileFilter } from "../../src/collection/filter.ts";
import type { Json, JsonObject } from "../../src/collection/json.ts";

function refusal(input: unknown): ServiceError {
  const error = assertThrows(() => compileFilter(input), ServiceError);
  assertEquals(error.code, "invalid_filter");
  return error;
}

/** A filter that MongoDB refuses, or that is not on the allow-list, and what the sentence names. */
type Row = readonly [filter: Json, names: string];

const refused: readonly Row[] = [
  [[], "JSON object"],
  ["x", "JSON object"],
  [null, "JSON object"],
  [{ $where: "true" }, "$where"],
  [{ $function: {} }, "$function"],
  [{ $accumulator: {} }, "$accumulator"],
  [{ $jsonSchema: {} }, "$jsonSchema"],
  [{ $text: { $search: "x" } }, "$text"],
  [{ a: { $near: [0, 0] } }, "$near"],
  [{ a: { $geoWithin: {} } }, "$geoWithin"],
  [{ a: { $where: "1" } }, "$where"],
  [{ a: { $foo: 1 } }, "$foo"],
  [{ $foo: 1 }, "$foo"],
  [{ a: { $toString: 1 } }, "$toString"],
  [{ $gt: 5 }, "$gt must stand under a field"],
  [{ $not: { a: 1 } }, "$not must stand under a field"],
  [{ a: { $and: [{ $gt: 1 }] } }, "$and"],
  [{ a: { $expr: true } }, "$expr"],
  [{ $and: [] }, "$and"],
  [{ $or: [] }, "$or"],
  [{ $nor: [] }, "$nor"],
  [{ $and: { a: 1 } }, "$and"],
  [{ $or: [1] }, "$or"],
  [{ $or: [{ a: 1 }, [{ a: 1 }]] }, "$or"],
  [{ a: { $gt: 1, b: 2 } }, "$gt"],
  [{ a: { b: 2, $gt: 1 } }, "$gt"],
  [{ a: { $not: {} } }, "$not"],
  [{ a: { $not: 5 } }, "$not"],
  [{ a: { $not: "x" } }, "$not"],
  [{ a: { $not: [{ $gt: 1 }] } }, "$not"],
  [{ a: { $not: { b: 1 } } }, '"b"'],
  [{ a: { $not: { $foo: 1 } } }, "$foo"],
  [{ a: { $in: 5 } }, "$in"],
  [{ a: { $nin: { x: 1 } } }, "$nin"],
  [{ a: { $in: [{ $gt: 1 }] } }, "$in"],
  [{ a: { $in: [{ $regex: "x" }] } }, "$in"],
  [{ a: { $nin: [1, { $eq: 1 }] } }, "$nin"],
  [{ a: { $all: 5 } }, "$all"],
  [{ a: { $all: [{ $gt: 1 }] } }, "$gt"],
  [{ a: { $all: [{ $elemMatch: { x: 1 } }, 5] } }, "$elemMatch"],
  [{ a: { $elemMatch: 5 } }, "$elemMatch"],
  [{ a: { $elemMatch: [1] } }, "$elemMatch"],
  [{ a: { $elemMatch: { $foo: 1 } } }, "$foo"],
  [{ a: { $elemMatch: { $gt: 1, b: 1 } } }, '"b"'],
  [{ a: { $elemMatch: { b: 1, $gt: 1 } } }, "$gt"],
  [{ a: { $elemMatch: { $expr: true } } }, "$expr"],
  [{ a: { $elemMatch: { $or: [{ $expr: true }] } } }, "$expr"],
  [{ a: { $size: -1 } }, "$size"],
  [{ a: { $size: 1.5 } }, "$size"],
  [{ a: { $size: "2" } }, "$size"],
  [{ a: { $size: 2 ** 31 } }, "$size"],
  [{ a: { $mod: [0, 1] } }, "$mod"],
  [{ a: { $mod: [0.5, 1] } }, "$mod"],
  [{ a: { $mod: [4] } }, "$mod"],
  [{ a: { $mod: [4, 0, 0] } }, "$mod"],
  [{ a: { $mod: ["4", 0] } }, "$mod"],
  [{ a: { $mod: 4 } }, "$mod"],
  [{ a: { $type: "text" } }, '"text"'],
  [{ a: { $type: "missing" } }, '"missing"'],
  [{ a: { $type: 0 } }, "$type"],
  [{ a: { $type: 20 } }, "$type"],
  [{ a: { $type: [] } }, "$type"],
  [{ a: { $type: ["string", null] } }, "$type"],
  [{ a: { $type: "constructor" } }, '"constructor"'],
  [{ a: { $regex: 5 } }, "$regex"],
  [{ a: { $regex: "x", $options: 5 } }, "$options"],
  [{ a: { $options: "i" } }, "$options"],
  [{ a: { $bitsAllSet: -1 } }, "$bitsAllSet"],
  [{ a: { $bitsAllSet: 1.5 } }, "$bitsAllSet"],
  [{ a: { $bitsAnySet: [-1] } }, "$bitsAnySet"],
  [{ a: { $bitsAnyClear: ["1"] } }, "$bitsAnyClear"],
  [{ a: { $bitsAllClear: "x" } }, "$bitsAllClear"],
  [{ "a\0b": 1 }, "null character"],
  [{ [Array(201).fill("0").join(".")]: 1 }, "200 parts"],
  [{ $expr: { $foo: 1 } }, "$foo"],
  [{ $expr: `$${Array(201).fill("a").join(".")}` }, "field path"],
  [{ $expr: { $function: {} } }, "$function"],
  [{ $expr: { $regexMatch: { input: "$a", regex: "x" } } }, "$regexMatch"],
  [{ $expr: { $toString: "$a" } }, "$toString"],
  [{ $expr: { $eq: [1] } }, "$eq"],
  [{ $expr: { $eq: 1 } }, "$eq"],
  [{ $expr: { $ifNull: ["$a"] } }, "$ifNull"],
  [{ $expr: { $round: [1, 2, 3] } }, "$round"],
  [{ $expr: { $eq: [1, 1], $ne: [1, 2] } }, "$eq"],
  [{ $expr: { $eq: [1, 1], b: 1 } }, "$eq"],
  [{ $expr: { $cond: [1, 2] } }, "$cond"],
  [{ $expr: { $cond: { if: 1, then: 2 } } }, "$cond"],
  [{ $expr: { $cond: { if: 1, then: 2, else: 3, or: 4 } } }, "$cond"],
  [{ $expr: "$$NOW" }, "$$NOW"],
  [{ $expr: "$$REMOVE" }, "$$REMOVE"],
  [{ $expr: { $eq: ["$$user.x", 1] } }, "$$user"],
  [{ $expr: "$" }, "field path"],
  [{ $expr: "$a..b" }, "field path"],
  [{ $expr: "$a." }, "field path"],
  [{ $expr: "$a.$b" }, "field path"],
  [{ $expr: { "a.b": 1 } }, "a.b"],
];

for (const [filter, names] of refused) {
  Deno.test(`compileFilter() refuses ${JSON.stringify(filter).slice(0, 80)}`, () => {
    assertStringIncludes(refusal(filter).message, names);
  });
}

Deno.test("compileFilter() says where every problem is", () => {
  const error = refusal({ a: { $foo: 1 }, $or: [{ b: 1 }, { b: { $size: -1 } }], $expr: { $add: ["$$X"] } });
  const places = (error.details as { path: string; message: string }[]).map(({ path }) => path);
  assertEquals(places, ["a.$foo", "$or.1.b.$size", "$expr.$add.0"]);
  assertEquals(error.message, (error.details as { message: string }[])[0]?.message);
});

Deno.test("compileFilter() tells a bounded number of problems, in bounded sentences", () => {
  const error = refusal(
    Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`$${i}${"x".repeat(90)}`, 1])),
  );
  assertEquals((error.details as unknown[]).length, 20);
  assert(error.message.length < 150);
});

/** `{a: {a: … 1}}` with so many objects. */
function nested(levels: number): JsonObject {
  let filter: Json = 1;
  for (let i = 0; i < levels; i++) filter = { a: filter };
  return filter as JsonObject;
}

Deno.test("compileFilter() takes 32 levels and refuses 33", () => {
  assertEquals(compileFilter(nested(32)).test(nested(32)), true);
  assertStringIncludes(refusal(nested(33)).message, "32 levels");
});

Deno.test("compileFilter() refuses nesting far beyond the call stack, in objects and in arrays", () => {
  assertStringIncludes(refusal(nested(200_000)).message, "32 levels");
  assertStringIncludes(
    refusal(JSON.parse(`{"a":${"[".repeat(9999)}${"]".repeat(9999)}}`)).message,
    "32 levels",
  );
});

Deno.test("compileFilter() takes 64 KiB of JSON in UTF-8 and refuses a byte more", () => {
  const ofSize = (bytes: number) => ({ a: `é${"x".repeat(bytes - '{"a":"é"}'.length - 1)}` });
  assertEquals(new TextEncoder().encode(JSON.stringify(ofSize(65_536))).length, 65_536);
  assertEquals(compileFilter(ofSize(65_536)).test(ofSize(65_536)), true);
  assertStringIncludes(refusal(ofSize(65_537)).message, "64 KiB");
});

Deno.test("compileFilter() refuses what is not JSON", () => {
  for (const value of [undefined, NaN, Infinity, 1n, () => true, Symbol("x")]) refusal({ a: value });
});
