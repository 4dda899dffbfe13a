import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ServiceError } from "../../src/errors.ts";
import { compileFilter } from "../../src/collection/filter.ts";

function matches(pattern: string, options: string, text: string): boolean {
  return compileFilter({ a: { $regex: pattern, $options: options } }).test({ a: text });
}

/** Pattern, options, texts that match, texts that do not: pcre2pattern(3), MongoDB manual "$regex". */
type Row = readonly [pattern: string, options: string, matching: string[], others: string[]];

const rows: readonly Row[] = [
  ["^ab+c$", "", ["abc", "abbc"], ["ac", "xabc", "abcx"]],
  ["b", "", ["abc"], ["ac"]],
  ["^acme", "i", ["ACME corp", "acme"], ["an acme"]],
  ["straße", "i", ["STRAßE"], ["strasse"]],
  ["ÄÖ", "i", ["äö"], ["ao"]],
  ["^S", "m", ["x\nS", "S"], ["xS"]],
  ["^S", "", ["S"], ["x\nS"]],
  ["x$", "m", ["x\ny"], ["xy"]],
  ["x$", "", ["x", "yx", "x\n"], ["x\ny", "x\n\n"]],
  ["x\\Z", "", ["x", "x\n"], ["x\n\n"]],
  ["x\\z", "", ["x"], ["x\n"]],
  ["a.b", "", ["axb"], ["a\nb"]],
  ["a.b", "s", ["a\nb"], ["ab"]],
  ["^.$", "", ["😀", "é"], ["ab"]],
  ["a b # both\n c", "x", ["abc"], ["a b c"]],
  ["a\\ b[ #]c", "x", ["a b c", "a b#c"], ["abc"]],
  ["\\d {2}", "x", ["12"], ["1"]],
  ["a b", "u", ["a b"], ["ab"]],
  ["(?i)ab", "", ["AB"], ["b"]],
  ["(?i:a)b", "", ["Ab"], ["AB"]],
  ["(?x) a b", "", ["ab"], ["a b"]],
  ["(?m)^b$", "", ["a\nb\nc"], ["ab"]],
  ["((?m)^b)|^c", "", ["a\nb", "c"], ["a\nc"]],
  ["(?-i)ab", "i", ["ab"], ["AB"]],
  ["a(?#remark)b", "", ["ab"], ["a"]],
  ["a(?#remark){2}", "", ["aa"], ["a"]],
  ["(?<year>\\d{4})", "", ["in 2024"], ["in 24"]],
  ["(?P<y>a)(?P<y>b)?", "", ["a"], ["b"]],
  ["a\\sb", "", ["a b", "a\u000bb", "a\tb"], ["axb", "a\u00a0b"]],
  ["a\\hb", "", ["a b", "a\u00a0b"], ["a\nb"]],
  ["a[\\s-]b", "", ["a-b", "a\nb"], ["axb"]],
  ["a[^\\S]b", "", ["a b"], ["axb"]],
  ["^[\\S]$", "", ["x", "😀"], [" ", "\u000b"]],
  ["a\\vb", "", ["a\nb", "a\u2028b"], ["a b"]],
  ["a\\Nb", "s", ["axb"], ["a\nb"]],
  ["\\Qa.b\\E+", "", ["a.bbb"], ["axb"]],
  ["[]a]+$", "", ["]a"], ["b"]],
  ["[^]]", "", ["a"], ["]"]],
  ["[[:digit:]]", "", ["1"], ["a"]],
  ["\\x41\\x{42}\\03\\e?", "", ["AB\u0003"], ["AB"]],
  ["a{,2}", "", ["a{,2}"], ["aa"]],
  ["a{2", "", ["a{2"], ["aa"]],
  ["\\p{Lu}\\pN", "", ["Ä1"], ["ä1"]],
  ["\\bcat\\b", "", ["a cat"], ["concat"]],
  ["a\\.b\\/c\\-d\\_", "", ["a.b/c-d_"], ["axb/c-d_"]],
  ["a|b*?c", "", ["a", "c"], ["d"]],
  ["", "", ["", "x"], []],
];

for (const [pattern, options, matching, others] of rows) {
  Deno.test(`$regex /${JSON.stringify(pattern).slice(1, -1)}/${options} matches as PCRE2 does`, () => {
    for (const text of matching) assertEquals([text, matches(pattern, options, text)], [text, true]);
    for (const text of others) assertEquals([text, matches(pattern, options, text)], [text, false]);
  });
}

const refused: readonly (readonly [pattern: string, options: string, says: string])[] = [
  ["a(?=b)", "", "Look-around"],
  ["a(?!b)", "", "Look-around"],
  ["(?<=a)b", "", "Look-around"],
  ["(?<!a)b", "", "Look-around"],
  ["(a)\\1", "", "Back-references"],
  ["(?<n>a)\\k<n>", "", "Back-references"],
  ["(?P<n>a)(?P=n)", "", "Back-references"],
  ["(a)\\g{1}", "", "Back-references"],
  ["(?R)?", "", "recursion"],
  ["(?>a)", "", "Atomic"],
  ["a++", "", "possessive"],
  ["(?(1)a|b)", "", "Conditions"],
  ["(*UCP)a", "", "(*UCP)"],
  ["\\Ka", "", "\\K"],
  ["\\Ga", "", "\\G"],
  ["a\\", "", "backslash"],
  ["(a", "", "not closed"],
  ["a)", "", "not open"],
  ["[a", "", "not closed"],
  ["*a", "", "nothing to repeat"],
  ["(*|b)", "", "Verbs"],
  ["(+a)", "", "nothing to repeat"],
  ["a(?s){2}", "", "nothing to repeat"],
  ["a**", "", "valid pattern"],
  ["a{2,1}", "", "valid pattern"],
  ["x{1001}", "", "valid pattern"],
  ["a\0b", "", "null character"],
  ["a", "g", '"g"'],
  ["[[.a.]]", "", "Collating"],
  ["(((a{100}){100}){100}){100}", "", "too large"],
  ["(?:.{1000}){3}", "", "too large"],
  ["(?:a?){1000}".repeat(3), "", "too large"],
  ["x".repeat(5000), "", "too large"],
];

for (const [pattern, options, says] of refused) {
  Deno.test(`$regex refuses /${JSON.stringify(pattern).slice(1, 40)}/${options} and says why`, () => {
    const error = assertThrows(() => matches(pattern, options, ""), ServiceError);
    assertEquals(error.code, "invalid_filter");
    assertStringIncludes(error.message, says);
  });
}

Deno.test("$regex takes patterns of about 2,000 instructions, and no larger ones", () => {
  assertEquals(matches("x".repeat(1990), "", "x".repeat(1990)), true);
  assertStringIncludes(
    assertThrows(() => matches("x".repeat(2001), "", ""), ServiceError).message,
    "too large",
  );
});

Deno.test("$regex bounds the patterns of a filter together", () => {
  const filter = { $or: Array.from({ length: 10 }, (_, i) => ({ a: { $regex: `${i}{300}` } })) };
  assertStringIncludes(assertThrows(() => compileFilter(filter), ServiceError).message, "too large");
});

Deno.test("$regex finishes on patterns that make backtracking engines hang", () => {
  const hostile: readonly (readonly [pattern: string, text: string])[] = [
    ["^(a+)+$", `${"a".repeat(50_000)}!`],
    ["(x+x+)+y", "x".repeat(50_000)],
    ["^(a|aa)+$", `${"a".repeat(50_000)}!`],
    ["^(.*)*.*.*.*z$", "y".repeat(50_000)],
    ["(a?){30}a{30}$", `${"a".repeat(29)}!`],
    ["^(([a-z])+.)+[A-Z]([a-z])+$", "a".repeat(50_000)],
  ];
  for (const [pattern, text] of hostile) assertEquals(matches(pattern, "", text), false);
});

Deno.test("$regex tests strings and elements that are strings, nothing else", () => {
  const { test } = compileFilter({ a: { $regex: "1|true|null" } });
  const values = ["1", 1, true, null, ["x", "1"], [["1"]], { x: "1" }];
  assertEquals(values.map((a) => test({ a })), [true, false, false, false, true, false, false]);
  assertEquals(test({}), false);
});

Deno.test("$regex takes $options before and after it", () => {
  assertEquals(compileFilter({ a: { $options: "i", $regex: "x" } }).test({ a: "X" }), true);
  assertEquals(compileFilter({ a: { $regex: "x", $options: "i", $ne: "X" } }).test({ a: "X" }), false);
});
