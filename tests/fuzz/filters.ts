/** Filters: every operator that is allowed, those that are not, operands of the wrong kind, patterns made to take forever. */
import fc from "fast-check";
import type { Json, JsonObject } from "../../src/collection/json.ts";
import { json, text } from "./nasty.ts";

const OPERATORS = [
  ...[
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$not",
    "$exists",
    "$type",
    "$all",
    "$elemMatch",
  ],
  ...[
    "$size",
    "$mod",
    "$options",
    "$bitsAllSet",
    "$bitsAllClear",
    "$bitsAnySet",
    "$bitsAnyClear",
    "$comment",
  ],
];
const REFUSED = [
  "$where",
  "$function",
  "$accumulator",
  "$jsonSchema",
  "$text",
  "$near",
  "$__proto__",
  "$",
  "$toString",
];
const EXPRESSIONS = [
  ...[
    "$eq",
    "$ne",
    "$gt",
    "$lt",
    "$cmp",
    "$and",
    "$or",
    "$not",
    "$add",
    "$subtract",
    "$multiply",
    "$divide",
    "$mod",
  ],
  ...[
    "$abs",
    "$ceil",
    "$floor",
    "$round",
    "$trunc",
    "$pow",
    "$sqrt",
    "$exp",
    "$ln",
    "$log10",
    "$cond",
    "$ifNull",
  ],
  ...[
    "$literal",
    "$size",
    "$in",
    "$arrayElemAt",
    "$concat",
    "$toLower",
    "$toUpper",
    "$strLenCP",
    "$map",
    "$where",
  ],
];

/** Patterns over which a backtracking engine spends an age, and some that are none. */
export const PATTERNS = [
  ...[
    "^(a+)+$",
    "(a|aa)+$",
    "(.*a){20}$",
    "([a-zA-Z]+)*$",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "(x+x+)+y",
    "(a?){50}a{50}",
  ],
  ...[
    "(((((a*)*)*)*)*)*b",
    "a{1000}{1000}",
    "(?:(?:a{100}){100}){100}",
    "[",
    "(",
    "*",
    "\\",
    "(?=a)",
    "\\1",
    "(?<n>a)",
  ],
  ...[
    "\\p{L}+",
    "\\pX",
    "(?i)(?s).*",
    "[[:alpha:]]",
    "\\Q",
    "a{2,1}",
    "(?P<a>x)",
    "\u0000",
    "[\\u{10ffff}]",
    "\ud800",
  ],
];

const path = fc.oneof(
  fc.constantFrom(
    ...[
      "asset_name",
      "asset_tags",
      "asset_metadata.a",
      "asset_file_info.file_size",
      "asset_version.tag",
      "a.0.b",
    ],
    ...["asset_registry_name", "asset_registry_tags", "a.", ".", "a..b", "__proto__.a", "constructor.name"],
  ),
  text,
);

const pattern: fc.Arbitrary<JsonObject> = fc.record({
  $regex: fc.oneof<fc.Arbitrary<Json>[]>(fc.constantFrom(...PATTERNS), text, json),
  $options: fc.constantFrom<Json>("", "i", "ims", "x", "g", "ii", 1, null, "\u0000"),
}, { requiredKeys: ["$regex"] });

const { filter } = fc.letrec<{ filter: JsonObject; condition: JsonObject; expression: Json }>((tie) => ({
  condition: fc.oneof(
    { depthSize: "small" },
    pattern,
    one(fc.constantFrom(...OPERATORS), json),
    one(fc.constantFrom(...REFUSED), json),
    one(
      fc.constantFrom("$not", "$elemMatch", "$all", "$in"),
      fc.oneof(tie("condition"), fc.array(tie("condition"))),
    ),
  ),
  expression: fc.oneof(
    { depthSize: "small" },
    fc.oneof(
      json,
      path.map((name): Json => `$${name}`),
      fc.constantFrom<Json>("$$ROOT", "$$CURRENT", "$$x", "$"),
    ),
    one(
      fc.constantFrom(...EXPRESSIONS),
      fc.oneof(fc.array(tie("expression"), { maxLength: 4 }), tie("expression")),
    ),
  ),
  filter: fc.oneof(
    { depthSize: "small" },
    one(path, fc.oneof(tie("condition"), json)),
    fc.tuple(one(path, tie("condition")), one(path, json)).map(([a, b]) => ({ ...a, ...b })),
    one(fc.constant("$expr"), tie("expression")),
    one(
      fc.constantFrom("$and", "$or", "$nor", "$not"),
      fc.oneof(fc.array(tie("filter"), { maxLength: 4 }), json),
    ),
  ),
}));

/** Any filter. */
export { filter };

function one(key: fc.Arbitrary<string>, value: fc.Arbitrary<Json>): fc.Arbitrary<JsonObject> {
  return fc.tuple(key, value).map(([name, held]) => Object.fromEntries([[name, held]]));
}
