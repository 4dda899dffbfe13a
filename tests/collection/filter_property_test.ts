import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ServiceError } from "../../src/errors.ts";
import { compileFilter, type Filter } from "../../src/collection/filter.ts";
import type { Json, JsonObject } from "../../src/collection/json.ts";

const fieldNames = ["a", "b", "0", "1", "__proto__", "toString"];
const scalar: fc.Arbitrary<Json> = fc.constantFrom<Json>(
  null,
  true,
  false,
  0,
  -0,
  1,
  2,
  1.5,
  -3,
  1e19,
  "",
  "a",
  "x",
  "😀",
);

/** JSON with few names and values, so that filters and documents often meet. */
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 3 }),
    fields(tie("value")),
  ),
}));
const document = fields(value);
const path = fc.array(fc.constantFrom(...fieldNames), { minLength: 1, maxLength: 3 }).map((names) =>
  names.join(".")
);

/** Objects whose keys are all own keys, `__proto__` as well. */
function fields(inner: fc.Arbitrary<Json>): fc.Arbitrary<JsonObject> {
  return fc.uniqueArray(fc.tuple(fc.constantFrom(...fieldNames), inner), {
    selector: ([name]) => name,
    maxLength: 3,
  })
    .map((entries) => Object.fromEntries(entries));
}

function at(path: string, condition: Json): Filter {
  return compileFilter(Object.fromEntries([[path, condition]]));
}

Deno.test("compileFilter() has $ne be the complement of $eq", () => {
  fc.assert(fc.property(path, value, document, (path, value, document) => {
    assertEquals(at(path, { $ne: value }).test(document), !at(path, { $eq: value }).test(document));
  }));
});

Deno.test("compileFilter() has $nin be the complement of $in", () => {
  fc.assert(fc.property(path, fc.array(value, { maxLength: 4 }), document, (path, values, document) => {
    assertEquals(at(path, { $nin: values }).test(document), !at(path, { $in: values }).test(document));
  }));
});

Deno.test("compileFilter() has $in be $or of $eq", () => {
  fc.assert(
    fc.property(path, fc.array(value, { minLength: 1, maxLength: 4 }), document, (path, values, document) => {
      const either = values.some((value) => at(path, { $eq: value }).test(document));
      assertEquals(at(path, { $in: values }).test(document), either);
    }),
  );
});

Deno.test("compileFilter() has $nor be the complement of $or, and $and of all", () => {
  const clause = fc.tuple(path, fc.constantFrom("$eq", "$gt", "$lte"), value)
    .map(([path, operator, value]): JsonObject => Object.fromEntries([[path, { [operator]: value }]]));
  fc.assert(fc.property(fc.array(clause, { minLength: 1, maxLength: 3 }), document, (clauses, document) => {
    const each = clauses.map((clause) => compileFilter(clause).test(document));
    assertEquals(compileFilter({ $or: clauses }).test(document), each.includes(true));
    assertEquals(compileFilter({ $nor: clauses }).test(document), !each.includes(true));
    assertEquals(compileFilter({ $and: clauses }).test(document), !each.includes(false));
  }));
});

Deno.test("compileFilter() has $gte and $lte hold together wherever $eq of the same does", () => {
  fc.assert(fc.property(path, value, document, (path, value, document) => {
    if (!at(path, { $eq: value }).test(document)) return;
    assertEquals(at(path, { $gte: value, $lte: value }).test(document), true);
  }));
});

Deno.test("compileFilter() matches a document by each of its own fields", () => {
  fc.assert(fc.property(document, (document) => {
    for (const [name, value] of Object.entries(document)) {
      assertEquals(at(name, { $eq: value }).test(document), true);
      assertEquals(at(name, { $exists: true }).test(document), true);
    }
  }));
});

Deno.test("compileFilter() throws nothing but ServiceError, and what it compiles never throws", () => {
  const names =
    ("$eq $ne $gt $gte $lt $lte $in $nin $and $or $nor $not $exists $type $all $elemMatch $size $mod $regex $options " +
      "$comment $expr $bitsAllSet $bitsAnyClear $cmp $add $divide $cond $ifNull $literal $arrayElemAt $concat $toLower " +
      "$round $strLenCP $where $ref $id a b __proto__ constructor").split(" ");
  const { any } = fc.letrec<{ any: Json }>((tie) => ({
    any: fc.oneof(
      { depthSize: "medium" },
      fc.oneof(
        scalar,
        fc.string(),
        fc.constantFrom<Json>("$a", "$$ROOT.b", "int", "(a", "a+", "i", [4, 0], 2),
      ),
      fc.array(tie("any"), { maxLength: 3 }),
      fc.array(fc.tuple(fc.constantFrom(...names), tie("any")), { maxLength: 3 })
        .map((entries): JsonObject => Object.fromEntries(entries)),
    ),
  }));
  const compile = (input: Json): Filter | undefined => {
    try {
      return compileFilter(input);
    } catch (error) {
      if (error instanceof ServiceError) return undefined;
      throw error;
    }
  };
  fc.assert(
    fc.property(fc.oneof(any, fc.jsonValue().map((json) => json as Json)), document, (input, document) => {
      const verdict = compile(input)?.test(document);
      assertEquals(verdict === undefined || typeof verdict === "boolean", true);
    }),
    { numRuns: 2000 },
  );
});
