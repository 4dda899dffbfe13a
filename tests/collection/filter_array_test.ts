import { assertEquals } from "@std/assert";
import { compileFilter } from "../../src/collection/filter.ts";
import type { Json, JsonObject } from "../../src/collection/json.ts";

/** What the manual says, the condition on `a`, values of `a`, and the places of those that match. */
type Row = readonly [says: string, condition: Json, values: Json[], matching: number[]];

function check(rows: readonly Row[]): void {
  for (const [says, condition, values, matching] of rows) {
    Deno.test(`compileFilter() ${says}: ${JSON.stringify(condition)}`, () => {
      const { test } = compileFilter({ a: condition });
      assertEquals(values.flatMap((value, i) => test({ a: value }) ? [i] : []), matching);
    });
  }
}

check([ // manual, "$all"
  ["finds all of a list", { $all: [1, 2] }, [[2, 1, 3], [1], 1, [[1, 2]]], [0]],
  ["takes a scalar as a list of one in $all", { $all: [2] }, [2, [2], 3], [0, 1]],
  ["takes a nested list as $and of equalities", { $all: [[1, 2]] }, [[1, 2], [[1, 2], 3], [2, 1]], [0, 1]],
  ["matches nothing by an empty $all", { $all: [] }, [[], [1], null], []],
  ["finds null by $all", { $all: [null] }, [null, [null], [1]], [0, 1]],
  [
    "takes $elemMatch inside $all",
    { $all: [{ $elemMatch: { x: 1, y: 2 } }, { $elemMatch: { x: 3 } }] },
    [[{ x: 1, y: 2 }, { x: 3 }], [{ x: 1, y: 2 }], [{ x: 1 }, { y: 2 }, { x: 3 }]],
    [0],
  ],
]);

check([ // manual, "$elemMatch (query)"
  [
    "has one element meet all operators",
    { $elemMatch: { $gte: 80, $lt: 85 } },
    [[82, 90], [75, 90], 82, []],
    [0],
  ],
  ["has one element meet all fields", { $elemMatch: { x: 1, y: 2 } }, [[{ x: 1, y: 2 }], [{ x: 1 }, {
    y: 2,
  }]], [0]],
  ["does not match a scalar by a field", { $elemMatch: { name: "x" } }, ["x", ["x"], [{ name: "x" }]], [2]],
  ["does not match an object outside of an array", { $elemMatch: { x: 1 } }, [{ x: 1 }, [{ x: 1 }]], [1]],
  ["reads a nested array by its indexes", { $elemMatch: { "0": 1 } }, [[[1, 2]], [[2, 1]], [1]], [0]],
  ["takes every object and array by {}", { $elemMatch: {} }, [[{}], [[]], [1, "x"], []], [0, 1]],
  ["nests $elemMatch", { $elemMatch: { $elemMatch: { $gt: 1 } } }, [[[2]], [2], [[1]]], [0]],
  ["takes $or inside", { $elemMatch: { $or: [{ x: 1 }, { y: 1 }] } }, [[{ y: 1 }], [{ z: 1 }]], [0]],
  ["takes $not inside on the element itself", { $elemMatch: { $not: { $gt: 1 } } }, [[2, 1], [2, 3], []], [
    0,
  ]],
  ["takes $ne inside", { $elemMatch: { $ne: 1 } }, [[1, 2], [1, 1], []], [0]],
  ["does not open arrays among the elements", { $elemMatch: { $eq: 1 } }, [[[1]], [1]], [1]],
  ["takes $in inside", { $elemMatch: { $in: ["x"] } }, [["y", "x"], ["y"]], [0]],
  ["takes $regex inside", { $elemMatch: { $options: "i", $regex: "^X" } }, [["xa"], ["ax"], "xa"], [0]],
  ["takes $size inside", { $elemMatch: { $size: 2 } }, [[[1, 2]], [1, 2]], [0]],
  [
    "negates outside of the array",
    { $not: { $elemMatch: { x: 1 } } },
    [[{ x: 1 }, { x: 2 }], [{ x: 2 }], 5],
    [1, 2],
  ],
]);

check([ // manual, "$size"
  ["counts elements", { $size: 2 }, [[1, 2], [1], [[1, 2]], 2, "ab", { x: 1, y: 2 }], [0]],
  ["counts none", { $size: 0 }, [[], [[]], null], [0]],
  ["takes a whole double", { $size: 2.0 }, [[1, 2]], [0]],
]);

check([ // manual, "$type"
  ["knows types by name", { $type: "string" }, ["x", 1, null, ["x"], [1]], [0, 3]],
  ["knows types by number", { $type: 2 }, ["x", 1], [0]],
  ["knows an array as such, and arrays in it", { $type: "array" }, [[1], [[1]], [], 1], [0, 1, 2]],
  ["looks at elements", { $type: "int" }, [[1, "x"], ["x"], 1], [0, 2]],
  ["tells int from long", { $type: "int" }, [2147483647, 2147483648, -2147483648], [0, 2]],
  ["tells long from double", { $type: "long" }, [2147483648, 1.5, 1e19], [0]],
  ["takes what is no 64-bit integer as double", { $type: "double" }, [1.5, 1e19, 1], [0, 1]],
  ["takes every number", { $type: "number" }, [1, 2 ** 40, 1.5, "1"], [0, 1, 2]],
  ["takes several types", { $type: ["null", 8] }, [null, true, 1], [0, 1]],
  ["finds no dates in JSON", { $type: "date" }, ["2020-01-01", 1], []],
  ["takes objects", { $type: "object" }, [{}, [], [{}]], [0, 2]],
]);

check([ // manual, "$mod"
  ["takes the remainder", { $mod: [4, 0] }, [0, 4, 5, 12], [0, 1, 3]],
  ["cuts divisor and remainder", { $mod: [4.9, 1.9] }, [5, 6], [0]],
  ["cuts the value towards zero", { $mod: [4, 1] }, [5.9, -3.5, 4.9], [0]],
  ["keeps the sign of the value", { $mod: [4, -1] }, [-5, 5, 3], [0]],
  ["skips what is no number", { $mod: [1, 0] }, ["4", null, true, [], {}, [4]], [5]],
  ["skips numbers beyond 64 bits", { $mod: [2, 0] }, [1e19, 2 ** 62], [1]],
  ["matches -0 by remainder 0", { $mod: [2, 0] }, [-4, -0.5], [0, 1]],
]);

check([ // manual, "Bitwise Query Operators"
  ["wants all bits set", { $bitsAllSet: 50 }, [50, 62, 2, 54], [0, 1, 3]],
  ["wants positions set", { $bitsAllSet: [1, 5] }, [34, 35, 2], [0, 1]],
  ["wants all bits clear", { $bitsAllClear: [1, 5] }, [20, 0, 2], [0, 1]],
  ["wants any bit set", { $bitsAnySet: 6 }, [2, 4, 1, 8], [0, 1]],
  ["wants any bit clear", { $bitsAnyClear: 6 }, [2, 6, 0], [0, 2]],
  ["works on 64 bits", { $bitsAllSet: [40] }, [2 ** 40, 2 ** 8], [0]],
  ["extends the sign", { $bitsAllSet: [63, 200] }, [-1, 1, 2 ** 62], [0]],
  ["extends the sign when clear", { $bitsAllClear: [100] }, [-1, 1], [1]],
  ["skips fractions, strings and too large numbers", { $bitsAnyClear: [0] }, [2.5, "2", 1e19, null, 2], [4]],
  ["takes an empty list of positions", { $bitsAllSet: [] }, [5, "x"], [0]],
  ["looks at elements", { $bitsAnySet: 1 }, [[2, 1], [2]], [0]],
]);

Deno.test("compileFilter() matches bits of present numbers only", () => {
  assertEquals(compileFilter({ a: { $bitsAllClear: 1 } }).test({}), false);
});

Deno.test("compileFilter() counts each array that a path leads to by $size, not the projected one", () => {
  const { test } = compileFilter({ "f.t": { $size: 2 } });
  const documents: JsonObject[] = [
    { f: [{ t: [1, 2] }, { t: [] }] },
    { f: [{ t: 1 }, { t: 2 }] },
    { f: [{ t: [1] }, { t: [2] }] },
  ];
  assertEquals(documents.map(test), [true, false, false]);
});

Deno.test("compileFilter() has $elemMatch look at each array that a path leads to", () => {
  const { test } = compileFilter({ "f.t": { $elemMatch: { $gt: 1, $lt: 5 } } });
  assertEquals(test({ f: [{ t: [0, 9] }, { t: [3] }] }), true);
  assertEquals(test({ f: [{ t: [0, 9] }, { t: 3 }] }), false);
});

Deno.test("compileFilter() sees types inside array elements", () => {
  const { test } = compileFilter({ "f.t": { $type: "number" } });
  assertEquals(test({ f: [{ t: ["x", 1] }] }), true);
  assertEquals(test({ f: [{ t: ["x"] }] }), false);
});
