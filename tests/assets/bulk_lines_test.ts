import { assertEquals } from "@std/assert";
import { LineSplitter } from "../../src/assets/bulk_lines.ts";

const MAX_BYTES = 10;

/** The lines of a body that comes in these pieces, `null` for those that are too long. */
function linesOf(pieces: (string | Uint8Array)[]): [number, string | null][] {
  const splitter = new LineSplitter(MAX_BYTES);
  const lines: [number, string | null][] = [];
  const take = () => {
    for (let line = splitter.next(); line; line = splitter.next()) {
      lines.push([line.number, line.bytes ? new TextDecoder().decode(line.bytes) : null]);
    }
  };
  for (const piece of pieces) {
    splitter.feed(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
    take();
  }
  splitter.end();
  take();
  return lines;
}

Deno.test("Lines come with their numbers; the last needs no end", () => {
  assertEquals(linesOf(["a\nbc\nd"]), [[1, "a"], [2, "bc"], [3, "d"]]);
  assertEquals(linesOf(["a\n"]), [[1, "a"]]);
  assertEquals(linesOf([""]), []);
  assertEquals(linesOf([]), []);
});

Deno.test("Blank lines are left out but counted", () => {
  assertEquals(linesOf(["\n\r\na\n  \t\nb\r\n\n"]), [[3, "a"], [5, "b\r"]]);
  assertEquals(linesOf(["a\n ", " "]), [[1, "a"]]);
});

Deno.test("However the bytes are cut, the lines are the same", () => {
  const text = "one\n\ntwo ü\n1234567890\n12345678901\nlast";
  const bytes = new TextEncoder().encode(text);
  const whole = linesOf([text]);
  assertEquals(whole, [[1, "one"], [3, "two ü"], [4, "1234567890"], [5, null], [6, "last"]]);
  for (let size = 1; size <= bytes.length; size++) {
    const pieces: Uint8Array[] = [];
    for (let start = 0; start < bytes.length; start += size) pieces.push(bytes.slice(start, start + size));
    assertEquals(linesOf(pieces), whole, `pieces of ${size}`);
  }
});

Deno.test("A line that is too long is passed over, and what follows it is not", () => {
  assertEquals(linesOf(["x".repeat(100), "y".repeat(100), "z\nok\n", "x".repeat(11)]), [
    [1, null],
    [2, "ok"],
    [3, null],
  ]);
});

Deno.test("The bytes of a piece may be used again once their lines are taken", () => {
  const buffer = new TextEncoder().encode("abc");
  const splitter = new LineSplitter(MAX_BYTES);
  splitter.feed(buffer);
  assertEquals(splitter.next(), undefined);
  buffer.fill(0);
  splitter.feed(new TextEncoder().encode("d\n"));
  assertEquals(new TextDecoder().decode(splitter.next()?.bytes), "abcd");
});
