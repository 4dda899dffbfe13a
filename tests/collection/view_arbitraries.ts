/** Random documents, filters and sorts that often meet: few names and values, every type, arrays of objects, long strings. */
import fc from "fast-check";
import { compileFilter } from "../../src/collection/filter.ts";
import { MAX_STRING_LENGTH } from "../../src/collection/view/postings.ts";
import type { Json, JsonObject } from "../../src/collection/json.ts";

const LONG = "x".repeat(MAX_STRING_LENGTH);
const NAMES = ["a", "b", "c", "0", "1", "__proto__", "d.e", ""];
const PATHS = [
  ...["a", "b", "c", "a.b", "b.a", "a.b.c", "c.a", "b.c.a", "0", "a.0", "a.0.b", "b.1", "a.0.1", "a.b.0.c"],
  ...["a.__proto__", "__proto__.a", "d.e", "a.", "missing", "a.missing", "toString"],
];

/** A value that is no object and no array. */
export const scalar: fc.Arbitrary<Json> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Json>(null, true, false, 0, -0, 1, 2, 3, 1.5, -3, 2 ** 40, 1e19) },
  { weight: 6, arbitrary: fc.constantFrom<Json>("", "a", "ab", "abc", "b", "1", "é", "😀", "\uffee", "\n") },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Json>(LONG, `${LONG}a`, `${LONG}b`, `${LONG.slice(1)}😀a`, `y${LONG}`),
  },
  { weight: 1, arbitrary: fc.constantFrom<Json>("\ud800", "a\0b", "\udc00a", "ab\u0001") },
);

const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 3 }),
    fields(tie("value")),
  ),
}));

function fields(inner: fc.Arbitrary<Json>): fc.Arbitrary<JsonObject> {
  return fc.uniqueArray(
    fc.tuple(
      fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...NAMES.slice(0, 3)) }, {
        weight: 1,
        arbitrary: fc.constantFrom(...NAMES),
      }),
      inner,
    ),
    { selector: ([name]) => name, maxLength: 3 },
  ).map((entries) => Object.fromEntries(entries));
}

/** A document. */
export const document: fc.Arbitrary<JsonObject> = fields(value);

/** Documents most of which are plain: one odd one has everything looked at. */
export const documents: fc.Arbitrary<JsonObject[]> = fc.oneof(
  fc.array(document, { maxLength: 12 }),
  fc.array(
    fields(fc.oneof(scalar, fields(scalar), fc.array(scalar, { maxLength: 3 }))).filter((one) => !isOdd(one)),
    { maxLength: 25 },
  ),
  // Lists of numbers.
  fc.array(
    fc.record({
      a: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
      b: fc.integer({ min: 0, max: 2 }),
    }),
    { maxLength: 20 },
  ),
  // Without arrays, so that bounds meet and sorts are read out of the index.
  fc.array(
    fc.record({ a: scalar, b: fc.constantFrom<Json>(0, 1, 2, "x"), c: fc.record({ a: scalar }) }, {
      requiredKeys: [],
    }).filter((one) => !isOdd(one)),
    { maxLength: 40 },
  ),
);

function isOdd(document: JsonObject): boolean {
  const text = JSON.stringify(document);
  return /\\ud[89a-f]|\\u0000|"":|d\.e/.test(text);
}

const path = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...PATHS.slice(0, 6)) },
  { weight: 1, arbitrary: fc.constantFrom(...PATHS) },
);
const list = fc.array(value, { maxLength: 4 });
/** A pattern. */
export const pattern = fc.constantFrom(
  "^a",
  "^ab",
  "b",
  "^",
  "^a.c",
  "^x+",
  "^xx",
  "^a\\.",
  "[a-c]$",
  "^😀",
  "^y",
  "^ab?",
);

function operation(operator: string, argument: fc.Arbitrary<Json>): fc.Arbitrary<JsonObject> {
  return argument.map((given) => ({ [operator]: given }));
}

const positive: fc.Arbitrary<JsonObject> = fc.oneof(
  ...["$eq", "$gt", "$gte", "$lt", "$lte"].map((operator) => operation(operator, value)),
  ...["$eq", "$gt", "$gte", "$lt", "$lte"].map((operator) => operation(operator, scalar)),
  operation("$in", list),
  operation("$exists", fc.boolean()),
  operation("$size", fc.constantFrom<Json>(0, 1, 2)),
  operation(
    "$type",
    fc.constantFrom<Json>("int", "number", "string", "array", "object", "null", "bool", ["long", 2]),
  ),
  operation("$mod", fc.constantFrom<Json>([2, 0], [3, 1])),
  operation("$bitsAllSet", fc.constantFrom<Json>(1, [1])),
  operation("$bitsAnyClear", fc.constantFrom<Json>(1, [0, 1])),
  operation("$regex", pattern),
  fc.tuple(pattern, fc.constantFrom("", "i", "m", "s")).map(([$regex, $options]): JsonObject => ({
    $regex,
    $options,
  })),
  operation("$all", list),
);

/** Two bounds, which need not be met by one and the same element of an array. */
export const bounds: fc.Arbitrary<JsonObject> = fc.tuple(
  fc.constantFrom("$gt", "$gte", "$eq"),
  fc.integer({ min: 0, max: 3 }),
  fc.constantFrom("$lt", "$lte"),
  fc.integer({ min: 0, max: 3 }),
).map(([lower, low, upper, high]): JsonObject => ({ [lower]: low, [upper]: high }));

const { filter: anyFilter } = fc.letrec<{ condition: Json; filter: JsonObject }>((tie) => ({
  condition: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    value.filter((one) => !hasOperator(one)),
    positive,
    fc.tuple(positive, positive).map(([one, other]) => ({ ...one, ...other })),
    operation("$ne", value),
    operation("$nin", list),
    operation("$not", positive),
    operation("$elemMatch", positive),
    operation("$elemMatch", fc.tuple(positive, positive).map(([one, other]) => ({ ...one, ...other }))),
    operation("$elemMatch", tie("filter")),
    operation("$all", fc.array(operation("$elemMatch", tie("filter")), { minLength: 1, maxLength: 2 })),
  ),
  filter: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.tuple(path, tie("condition")).map(([path, one]) => Object.fromEntries([[path, one]])),
    fc.array(fc.tuple(path, tie("condition")), { minLength: 1, maxLength: 3 }).map((all) =>
      Object.fromEntries(all)
    ),
    ...["$and", "$or", "$nor"].map((operator) =>
      fc.array(tie("filter"), { minLength: 1, maxLength: 3 }).map((all) => ({ [operator]: all }))
    ),
    fc.constant<JsonObject>({ $expr: { $gt: ["$a", 1] } }),
  ),
}));

function hasOperator(value: Json): boolean {
  return JSON.stringify(value).includes('"$');
}

/** A filter that is allowed. */
export const filter: fc.Arbitrary<JsonObject> = anyFilter.filter(isAllowed);

function isAllowed(filter: JsonObject): boolean {
  try {
    compileFilter(filter);
    return true;
  } catch {
    return false;
  }
}

/** A sort, as in a query string. */
export const sort: fc.Arbitrary<string | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.constantFrom(
    "a",
    "-a",
    "b",
    "-b",
    "c.a",
    "-c.a",
    "a,b",
    "-b,a",
    "b,-a",
    "missing",
    "-b,c.a,a",
    "a.0",
    "-a.b",
  ),
);
