/** Texts, values and JSON that have broken servers before, and mutations of what is in order. */
import fc from "fast-check";
import { isJsonObject, type Json, type JsonObject } from "../../src/collection/json.ts";
import { codePoint } from "../unicode.ts";

/** What stands for something that is there: the world puts its name in when a request is sent. */
export const KNOWN = ["@uri@", "@id@", "@file@", "@upload@", "@entry@", "@cursor@", "@etag@"] as const;

const PROTOTYPE_KEYS = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "then",
  "length",
];

const TEXTS = [
  ...["", " ", "0", "-1", "null", "NaN", "true", "[]", "{}", "%", "%00", "%s%n", "..", "../../etc/passwd"],
  ...[
    "a\u0000b",
    "\u0001",
    "\u007f",
    "\ud800",
    "x\udc00",
    "\ufeffx",
    "\u202eevil",
    "e\u0301",
    "😀",
    "ﬃ",
    "İ",
  ],
  ...[
    "'; DROP TABLE doc; --",
    "<script>alert(1)</script>",
    "${7*7}",
    "{{7*7}}",
    "$where",
    "a.$b",
    ".",
    "a..b",
  ],
  ...["C:\\con", "con", "/", "\\", "//", "a:b-c", ":", "-", "1.0-initial", "asset/x", "lost+found", ".trash"],
  ...PROTOTYPE_KEYS,
];

/** Any text: known troublemakers, long ones, and any Unicode. */
export const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...TEXTS) },
  { weight: 3, arbitrary: fc.string({ unit: codePoint, maxLength: 40 }) },
  { weight: 1, arbitrary: fc.constantFrom(...KNOWN) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constantFrom("a", "é", "😀", "/", ".", "\u0000", "a:b-"),
      fc.integer({ min: 1, max: 3000 }),
    )
      .map(([unit, times]) => unit.repeat(times)),
  },
);

const number = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 53), 2 ** 63, 1e308, 5e-324, 1e21),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof<fc.Arbitrary<Json>[]>(text, number, fc.boolean(), fc.constant(null)),
    fc.array(tie("json"), { maxLength: 4 }),
    fc.array(fc.tuple(text, tie("json")), { maxLength: 4 }).map((entries): JsonObject =>
      Object.fromEntries(entries)
    ),
  ),
}));

/** Any JSON value. */
export { json };

/** One change of a JSON value: at which of its places, what. */
interface Change {
  place: number;
  kind: "replace" | "remove" | "add" | "wrap" | "rename";
  key: string;
  value: Json;
}

const change: fc.Arbitrary<Change> = fc.record({
  place: fc.nat(40),
  kind: fc.constantFrom<Change["kind"]>("replace", "replace", "remove", "add", "wrap", "rename"),
  key: fc.oneof(text, fc.constantFrom("asset_metadata.a", "asset_version.tag", "asset_tags", "asset_name")),
  value: json,
});

/** What is in order, with up to three changes; a name of its own now and then, so that it is no duplicate. */
export function mutated(examples: readonly Json[]): fc.Arbitrary<Json> {
  const example = examples.length > 0 ? fc.constantFrom(...examples) : json;
  return fc.tuple(example, fc.array(change, { maxLength: 3 }), fc.option(fc.nat(1_000_000))).map(
    ([json, changes, fresh]) => {
      const named = fresh !== null && isJsonObject(json) && "asset_name" in json
        ? { ...json, asset_name: `fresh ${fresh}` }
        : json;
      return changes.reduce((value, one) => changed(value, one, { left: one.place }), named);
    },
  );
}

/** Walks in order until the place is reached. */
function changed(json: Json, change: Change, at: { left: number }): Json {
  if (at.left-- === 0) return applied(json, change);
  if (Array.isArray(json)) return json.map((one) => changed(one, change, at));
  if (!isJsonObject(json)) return json;
  return Object.fromEntries(Object.entries(json).map(([key, one]) => [key, changed(one, change, at)]));
}

function applied(json: Json, { kind, key, value }: Change): Json {
  switch (kind) {
    case "replace":
      return value;
    case "wrap":
      return [json, value];
    case "add":
      return isJsonObject(json) ? Object.fromEntries([...Object.entries(json), [key, value]]) : value;
    case "remove":
      return isJsonObject(json) ? Object.fromEntries(Object.entries(json).slice(1)) : null;
    case "rename":
      return isJsonObject(json)
        ? Object.fromEntries(Object.entries(json).map(([name, one], n) => [n === 0 ? key : name, one]))
        : value;
  }
}

/** JSON as text, and texts that are nearly JSON: too deep, cut off, with a key twice, numbers beyond every type. */
export function jsonText(examples: readonly Json[], filters?: fc.Arbitrary<Json>): fc.Arbitrary<Uint8Array> {
  const whole = (filters ? fc.oneof(mutated(examples), filters) : mutated(examples))
    .map((value) => JSON.stringify(value));
  const nearly = fc.oneof(
    fc.tuple(whole, fc.nat(200)).map(([one, length]) => one.slice(0, length)),
    fc.tuple(whole, fc.nat(200), text).map(([one, at, more]) => one.slice(0, at) + more + one.slice(at)),
    fc.tuple(fc.constantFrom("[", '{"a":', '{"$and":[', '{"$not":', '{"$expr":{"$add":['), fc.nat(6000))
      .map(([open, levels]) => open.repeat(levels) + "1" + closing(open).repeat(levels)),
    fc.constantFrom(...[
      "1e400",
      "-1e400",
      `{"a":1e999}`,
      `{"a":1,"a":2}`,
      "\ufeff{}",
      "{}{}",
      "{},",
      "",
      " ",
    ]),
    fc.constantFrom(
      '{"asset_name":"a","__proto__":{"asset_name":"b"}}',
      '{"__proto__":{"$gt":""}}',
      '"\\ud800"',
    ),
    fc.nat(60_000).map((length) => `{"asset_name":"${"x".repeat(length)}"}`),
    fc.nat(20_000).map((count) => `{"asset_tags":{"$in":[${Array(count + 1).fill('"a"').join(",")}]}}`),
  );
  return fc.oneof({ weight: 5, arbitrary: whole }, { weight: 2, arbitrary: nearly }).map((one) =>
    new TextEncoder().encode(one)
  );
}

function closing(open: string): string {
  return [...open].reverse().map((one) => one === "[" ? "]" : one === "{" ? "}" : "").join("");
}

/** Bytes with up to four of them changed. */
export function flipped(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.tuple(bytes, fc.array(fc.tuple(fc.nat(100_000), fc.nat(255)), { maxLength: 4 })).map(
    ([whole, flips]) => {
      const copy = whole.slice();
      for (const [at, byte] of flips) if (copy.length > 0) copy[at % copy.length] = byte;
      return copy;
    },
  );
}
