import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { linesOf } from "../../src/client/ndjson.ts";

/** A text as a stream of pieces of so many bytes. */
function streamOf(text: string, pieceBytes: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        controller.enqueue(bytes.slice(at, at + pieceBytes));
      }
      controller.close();
    },
  });
}

Deno.test("linesOf() gives the same lines however the bytes are cut", async () => {
  const text = fc.array(fc.string({ unit: "grapheme" }).map((line) => line.replaceAll(/[\r\n]/g, "")), {
    minLength: 1,
  });
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 9 }), async (lines, pieceBytes) => {
      // A byte order mark at the very start is no part of a text (Encoding standard).
      const whole = `-${lines.join("\n")}\nend`;
      assertEquals(await Array.fromAsync(linesOf(streamOf(whole, pieceBytes))), whole.split("\n"));
    }),
    { numRuns: 200 },
  );
});

Deno.test("linesOf() takes CRLF, and a last line without an end", async () => {
  assertEquals(await Array.fromAsync(linesOf(streamOf("a\r\n\r\nb", 1))), ["a", "", "b"]);
  assertEquals(await Array.fromAsync(linesOf(streamOf("a\n", 1))), ["a"]);
  assertEquals(await Array.fromAsync(linesOf(streamOf("", 1))), []);
});

Deno.test("linesOf() refuses a line without end before it fills the memory", async () => {
  const lines = linesOf(streamOf("x".repeat(100), 10), { maxLength: 50 });
  await assertRejects(() => Array.fromAsync(lines), RangeError);
});
