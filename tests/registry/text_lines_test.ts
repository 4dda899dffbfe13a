import { assert, assertEquals } from "@std/assert";
import { TextLines } from "../../src/registry/text_lines.ts";

const encoder = new TextEncoder();

Deno.test("TextLines gives lines whole, however they are cut, and no empty ones", () => {
  const text = "één\n\n{}\nlast";
  const bytes = encoder.encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    const lines = new TextLines();
    const found: string[] = [];
    for (let at = 0; at < bytes.length; at += size) found.push(...lines.take(bytes.subarray(at, at + size)));
    assertEquals([...found, ...lines.end()], ["één", "{}", "last"], `in pieces of ${size}`);
  }
});

Deno.test("TextLines says how long the open line is, and takes a long one in small pieces in no time", () => {
  const lines = new TextLines();
  const piece = encoder.encode("x".repeat(10));
  const startedAt = performance.now();
  let found = 0;
  for (let n = 0; n < 100_000; n++) found += lines.take(piece).length;
  assertEquals(found, 0);
  assertEquals(lines.openCharacters, 1_000_000);
  assertEquals(lines.end()[0]?.length, 1_000_000);
  assert(performance.now() - startedAt < 2000);
});
