import { assertEquals } from "@std/assert";
import { contentRange, parseRange } from "../../src/http/ranges.ts";

// RFC 9110 §14.1.2 gives these for a representation of 10,000 bytes.
const RFC_EXAMPLES: [header: string, start: number, end: number][] = [
  ["bytes=0-499", 0, 499],
  ["bytes=500-999", 500, 999],
  ["bytes=-500", 9500, 9999],
  ["bytes=9500-", 9500, 9999],
];

for (const [header, start, end] of RFC_EXAMPLES) {
  Deno.test(`parseRange() reads the RFC's example ${header}`, () => {
    assertEquals(parseRange(header, 10_000), { start, end });
  });
}

const CASES: [what: string, header: string | null, size: number, expected: ReturnType<typeof parseRange>][] =
  [
    ["no header", null, 10, undefined],
    ["the whole", "bytes=0-", 10, { start: 0, end: 9 }],
    ["one byte", "bytes=0-0", 10, { start: 0, end: 0 }],
    ["the last byte", "bytes=-1", 10, { start: 9, end: 9 }],
    ["a last position behind the end (§14.1.2: the remainder)", "bytes=5-1000", 10, { start: 5, end: 9 }],
    ["a suffix longer than the whole (§14.1.2: the whole)", "bytes=-1000", 10, { start: 0, end: 9 }],
    ["a first position at the end", "bytes=10-", 10, "unsatisfiable"],
    ["a first position behind the end", "bytes=11-20", 10, "unsatisfiable"],
    ["a suffix of nothing (§14.1.2: unsatisfiable)", "bytes=-0", 10, "unsatisfiable"],
    ["any range of an empty file", "bytes=0-", 0, "unsatisfiable"],
    ["a suffix of an empty file", "bytes=-5", 0, "unsatisfiable"],
    ["a last position before the first (§14.1.1: invalid)", "bytes=5-4", 10, undefined],
    ["several ranges", "bytes=0-1,3-4", 10, undefined],
    ["another unit", "items=0-1", 10, undefined],
    ["no positions", "bytes=-", 10, undefined],
    ["no unit", "0-1", 10, undefined],
    ["letters", "bytes=a-b", 10, undefined],
    ["a negative position", "bytes=--1", 10, undefined],
    ["a unit in capitals (§14.1: case-insensitive)", "Bytes=0-1", 10, { start: 0, end: 1 }],
    ["white space around it", " bytes= 0-1 ", 10, { start: 0, end: 1 }],
    ["a position beyond any number", `bytes=${"9".repeat(400)}-`, 10, "unsatisfiable"],
  ];

for (const [what, header, size, expected] of CASES) {
  Deno.test(`parseRange() with ${what}`, () => assertEquals(parseRange(header, size), expected));
}

Deno.test("contentRange() names both ends and the size", () => {
  assertEquals(contentRange({ start: 42, end: 1233 }, 1234), "bytes 42-1233/1234");
});
