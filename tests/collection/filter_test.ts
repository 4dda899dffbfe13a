import { assertEquals } from "@std/assert";
import { compileFilter } from "../../src/collection/filter.ts";
import type { Json, JsonObject } from "../../src/collection/json.ts";

/** What the manual says, a filter, documents, and the places of those that match. */
type Row = readonly [says: string, filter: JsonObject, documents: JsonObject[], matching: number[]];

function check(rows: readonly Row[]): void {
  for (const [says, filter, documents, matching] of rows) {
    Deno.test(`compileFilter() ${says}: ${JSON.stringify(filter)}`, () => {
      const { test } = compileFilter(filter);
      assertEquals(documents.flatMap((document, i) => test(document) ? [i] : []), matching);
    });
  }
}

/** Documents with one field `a` each. */
function a(...values: Json[]): JsonObject[] {
  return values.map((value) => ({ a: value }));
}

check([ // Equality: manual, "Query Documents", "Query on Embedded/Nested Documents", "$eq"
  ["matches everything with {}", {}, [{}, { a: 1 }], [0, 1]],
  ["compares scalars by type and value", { a: 1 }, a(1, "1", true, 1.5), [0]],
  ["tells false from 0 and null", { a: false }, a(false, 0, null, ""), [0]],
  ["takes several fields together", { a: 1, b: 2 }, [{ a: 1 }, { a: 1, b: 2 }, { b: 2 }], [1]],
  ["finds a scalar in an array", { a: 1 }, a([1, 2], [2], []), [0]],
  ["does not reach into nested arrays", { a: 1 }, a([[1, 2], 3], [[1]]), []],
  ["matches an array exactly", { a: [1, 2] }, a([1, 2], [2, 1], [1, 2, 3]), [0]],
  ["matches an array as an element", { a: [1, 2] }, a([[1, 2], 3], [[[1, 2]]]), [0]],
  ["matches the empty array", { a: [] }, a([], [[]], [1], null), [0, 1]],
  [
    "matches a sub-document exactly",
    { a: { x: 1, y: 2 } },
    a({ x: 1, y: 2 }, { x: 1 }, { x: 1, y: 2, z: 3 }),
    [0],
  ],
  ["minds the order of keys", { a: { x: 1, y: 2 } }, a({ y: 2, x: 1 }), []],
  ["matches a sub-document in an array", { a: { x: 1 } }, a([{ x: 1 }, 2], [{ x: 1, y: 1 }]), [0]],
  ["matches the empty sub-document", { a: {} }, a({}, { x: 1 }, [], [{}]), [0, 3]],
  ["does not look into a sub-document's arrays", { a: { x: 1 } }, a({ x: [1] }), []],
  ["tells null from missing inside a sub-document", { a: { x: null } }, a({ x: null }, {}), [0]],
  ["takes 0 and -0 as equal", { a: 0 }, a(-0, 0), [0, 1]],
  [
    "reads operators in a nested literal as fields",
    { a: { b: { $gt: 1 } } },
    a({ b: 5 }, { b: { $gt: 1 } }),
    [1],
  ],
  ["takes the argument of $eq literally", { a: { $eq: { $gt: 1 } } }, a(5, { $gt: 1 }), [1]],
  ["takes a DBRef as a value", { a: { $ref: "c", $id: 1 } }, a({ $ref: "c", $id: 1 }, 1), [0]],
]);

check([ // Paths: manual, "Query an Array of Embedded Documents", "Dot Notation"
  ["follows a dotted path", { "a.b": 1 }, a({ b: 1 }, { b: 2 }, 1, null), [0]],
  ["follows a path through an array", { "a.b": 1 }, a([{ b: 2 }, { b: 1 }], [{ b: 2 }]), [0]],
  ["follows a path through arrays at two levels", { "a.b.c": 1 }, a([{ b: [{ c: 2 }, { c: 1 }] }]), [0]],
  ["opens the array at the end of a path", { "a.b": 1 }, a([{ b: [2, 1] }]), [0]],
  ["does not open a nested array", { "a.b": 1 }, a([[{ b: 1 }]]), []],
  ["takes a number as an index", { "a.1": 2 }, a([1, 2], [2, 1], [2]), [0]],
  ["takes a number as a key of an object", { "a.0": 1 }, a({ "0": 1 }), [0]],
  ["takes a number as a key in array elements too", { "a.0": 1 }, a([5, { "0": 1 }]), [0]],
  ["does not open the element at an index", { "a.0": 1 }, a([[1, 2]], [1]), [1]],
  ["compares the whole element at an index", { "a.0": [1, 2] }, a([[1, 2]]), [0]],
  ["goes on behind an index", { "a.0.b": 1 }, a([{ b: 1 }], [{ b: 2 }, { b: 1 }]), [0]],
  ["opens a nested array behind an index", { "a.0.b": 1 }, a([[{ b: 1 }]], [[[{ b: 1 }]]]), [0]],
  ["takes one index after another", { "a.1.0": 3 }, a([[1, 2], [3]]), [0]],
  ["takes no leading zero as an index", { "a.01": 2 }, a([1, 2]), []],
  ["finds nothing behind the end of an array", { "a.5": 1 }, a([1]), []],
  ["has a field with an empty name", { "": 1 }, [{ "": 1 }, {}], [0]],
  ["walks any Unicode name", { "größe.😀": 1 }, [{ größe: { "😀": 1 } }], [0]],
]);

check([ // Null: manual, "Query for Null or Missing Fields"
  ["matches null and missing by null", { a: null }, [{ a: null }, {}, { a: 0 }, { a: [] }, { a: "" }], [
    0,
    1,
  ]],
  ["finds null in an array", { a: null }, a([1, null], [1]), [0]],
  ["matches an element that lacks the field", { "a.b": null }, a([{ b: 1 }, {}], [{ b: 1 }], [{ b: null }]), [
    0,
    2,
  ]],
  ["has nothing missing in an array of scalars", { "a.b": null }, a([1, 2], [], ["x"]), []],
  ["has the field missing behind a scalar", { "a.b": null }, a(5, "x", null, {}), [0, 1, 2, 3]],
  ["has the field missing behind a missing one", { "a.b": null }, [{}], [0]],
  ["negates null", { a: { $ne: null } }, [{ a: null }, {}, { a: 0 }, { a: [] }, { a: [null] }], [2, 3]],
  ["ranges null over null and missing", { a: { $gte: null } }, [{ a: null }, {}, { a: 1 }, { a: "" }], [
    0,
    1,
  ]],
  ["ranges null from above likewise", { a: { $lte: null } }, [{ a: null }, {}, { a: 1 }], [0, 1]],
  ["has nothing less or greater than null", { a: { $gt: null } }, [{ a: null }, {}, { a: 1 }], []],
  ["finds missing by null in $in", { a: { $in: [null, 1] } }, [{}, { a: null }, { a: 1 }, { a: 2 }], [
    0,
    1,
    2,
  ]],
  ["excludes missing by null in $nin", { a: { $nin: [null] } }, [{}, { a: null }, { a: 1 }], [2]],
  ["has $exists match null", { a: { $exists: true } }, [{ a: null }, {}, { a: [] }], [0, 2]],
  ["has $exists false", { a: { $exists: false } }, [{ a: null }, {}], [1]],
  ["has $exists look into array elements", { "a.b": { $exists: true } }, a([{}, { b: 1 }], [{}], []), [0]],
  ["has $exists false where no element has it", { "a.b": { $exists: false } }, a([{}, { b: 1 }], [1], []), [
    1,
    2,
  ]],
  ["takes 0 and null as false for $exists", { a: { $exists: 0 } }, [{ a: 1 }, {}], [1]],
  ["takes an empty string as true for $exists", { a: { $exists: "" } }, [{ a: 1 }, {}], [0]],
]);

check([ // Ranges: manual, "Comparison/Sort Order", type bracketing
  ["compares numbers with numbers alone", { a: { $gt: 5 } }, a(6, 5, "6", true, null, [7], {}), [0, 5]],
  ["includes the bound", { a: { $gte: 5, $lte: 5 } }, a(4, 5, 6), [1]],
  ["compares strings with strings alone", { a: { $lt: "b" } }, a("a", "b", 1, ["a"]), [0, 3]],
  ["compares strings by code point", { a: { $gt: "\ufffd" } }, a("\u{1f600}", "\ufffc"), [0]],
  ["compares booleans", { a: { $gt: false } }, a(true, false, 1), [0]],
  ["lets different elements meet two bounds", { a: { $gt: 15, $lt: 20 } }, a([10, 25], [16], [1, 2]), [0, 1]],
  [
    "compares objects field by field",
    { a: { $gt: { x: 1 } } },
    a({ x: 2 }, { x: 1, y: 0 }, { x: 0, z: 9 }, 5),
    [0, 1],
  ],
  ["compares objects by type before name", { a: { $gt: { x: 1 } } }, a({ a: "s" }, { z: 0 }, { a: 5 }), [
    0,
    1,
  ]],
  ["compares whole arrays", { a: { $gt: [1, 2] } }, a([1, 3], [1, 2, 0], [1], [2], 9), [0, 1, 3]],
  ["compares nested arrays with an array", { a: { $gte: [5] } }, a([1, [6]], [1, [4]]), [0]],
  [
    "sees arrays inside array elements",
    { "f.t": { $gt: 5 } },
    [{ f: [{ t: [1, 9] }] }, { f: [{ t: [1] }] }],
    [0],
  ],
]);

check([ // $in, $nin, $ne, $not, $and, $or, $nor
  ["finds any of a list", { a: { $in: [1, "x"] } }, a(1, "x", 2, "1", [3, "x"]), [0, 1, 4]],
  ["finds a whole array in the list", { a: { $in: [[1, 2]] } }, a([1, 2], [2, 1], [[1, 2]], 1), [0, 2]],
  ["finds a sub-document in the list", { a: { $in: [{ x: 1, y: 2 }] } }, a({ x: 1, y: 2 }, { y: 2, x: 1 }), [
    0,
  ]],
  ["sees arrays inside array elements", { "f.t": { $in: ["x"] } }, [{ f: [{ t: ["y", "x"] }] }, { f: [] }], [
    0,
  ]],
  ["matches nothing by an empty $in", { a: { $in: [] } }, [{ a: 1 }, {}], []],
  ["matches everything by an empty $nin", { a: { $nin: [] } }, [{ a: 1 }, {}], [0, 1]],
  ["includes missing in $nin", { a: { $nin: [1] } }, [{}, { a: 1 }, { a: [1, 2] }, { a: [2] }], [0, 3]],
  ["includes missing in $ne", { a: { $ne: 1 } }, [{}, { a: 1 }, { a: [1, 2] }, { a: 2 }], [0, 3]],
  ["includes other types in $not", { a: { $not: { $gt: 5 } } }, [{ a: 6 }, { a: 5 }, { a: "x" }, {}], [
    1,
    2,
    3,
  ]],
  ["negates two operators together", { a: { $not: { $gt: 1, $lt: 5 } } }, a(1, 3, 5), [0, 2]],
  ["negates a pattern", { a: { $not: { $regex: "^p" } } }, [{ a: "pa" }, { a: "ap" }, {}], [1, 2]],
  ["negates twice", { a: { $not: { $not: { $eq: 1 } } } }, a(1, 2), [0]],
  ["takes $and", { $and: [{ a: { $gt: 1 } }, { a: { $lt: 5 } }] }, a(1, 3, 5), [1]],
  ["takes $or", { $or: [{ a: 1 }, { b: 1 }] }, [{ a: 1 }, { b: 1 }, { c: 1 }], [0, 1]],
  ["takes $nor", { $nor: [{ a: 1 }, { b: 1 }] }, [{ a: 1 }, { b: 1 }, { c: 1 }, {}], [2, 3]],
  ["takes $or beside a field", { c: 1, $or: [{ a: 1 }, { b: 1 }] }, [{ a: 1 }, { b: 1, c: 1 }, { c: 1 }], [
    1,
  ]],
  ["nests logical operators", { $or: [{ $and: [{ a: 1 }, { b: 1 }] }, { $nor: [{ a: 1 }] }] }, [{ a: 1 }, {
    b: 2,
  }], [1]],
  ["matches all in $and of {}", { $and: [{}] }, [{}], [0]],
  ["ignores $comment at the top", { $comment: "why", a: 1 }, a(1, 2), [0]],
  ["ignores $comment on a field", { a: { $gt: 1, $comment: { any: 1 } } }, a(1, 2), [1]],
]);

check([ // Names that objects inherit are ordinary names
  ["finds no inherited constructor", { constructor: { $exists: true } }, [{}, { constructor: 1 }], [1]],
  ["finds no inherited toString", { "a.toString": { $exists: true } }, a({}, { toString: 1 }, []), [1]],
  ["finds nothing on strings and arrays", { "a.length": { $exists: true } }, a("abc", [1], { length: 3 }), [
    2,
  ]],
  ["finds no inherited name through $in null", { hasOwnProperty: { $in: [null] } }, [{}], [0]],
]);

Deno.test("compileFilter() treats __proto__ as an ordinary key of filters and documents", () => {
  const document: JsonObject = JSON.parse('{"__proto__":{"x":1},"a":{"__proto__":2}}');
  const matches = (filter: string) => compileFilter(JSON.parse(filter)).test(document);
  assertEquals(matches('{"__proto__":{"x":1}}'), true);
  assertEquals(matches('{"__proto__":{"x":2}}'), false);
  assertEquals(matches('{"__proto__.x":{"$gt":0}}'), true);
  assertEquals(matches('{"a":{"__proto__":2}}'), true);
  assertEquals(matches('{"a":{"$eq":{"__proto__":3}}}'), false);
  assertEquals(matches('{"$or":[{"a.__proto__":{"$in":[2]}}]}'), true);
  assertEquals(matches('{"x":1}'), false);
  assertEquals(compileFilter(JSON.parse('{"__proto__":{"$exists":true}}')).test({}), false);
});

Deno.test("compileFilter() keeps the source, and spells shorthands out in the query", () => {
  const source = { a: { $ne: 1 }, b: { $all: ["x", "y"] } };
  const filter = compileFilter(source);
  assertEquals(filter.source, source);
  assertEquals(filter.query, {
    kind: "and",
    clauses: [
      {
        kind: "field",
        path: "a",
        condition: { operator: "$not", conditions: [{ operator: "$eq", value: 1 }] },
      },
      { kind: "field", path: "b", condition: { operator: "$eq", value: "x" } },
      { kind: "field", path: "b", condition: { operator: "$eq", value: "y" } },
    ],
  });
});
