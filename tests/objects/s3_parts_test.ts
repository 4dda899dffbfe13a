import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { ServiceError } from "../../src/errors.ts";
import {
  BLOCK_BYTES,
  FIRST_PART_BYTES,
  MAX_OBJECT_BYTES,
  MAX_PARTS,
  maxParts,
  PartGatherer,
  partSizeBytes,
  SpareBlocks,
} from "../../src/objects/s3_parts.ts";
import { concat } from "../server/multipart.ts";
import { patternBytes, sameBytes, streamOf } from "./object_store_suite.ts";

const GIB = 2 ** 30;

Deno.test("partSizeBytes() keeps to S3's limits, and 10,000 parts hold 5 TiB", () => {
  let sumBytes = 0;
  for (let part = 1; part <= MAX_PARTS; part++) {
    const sizeBytes = partSizeBytes(part);
    assert(sizeBytes >= 5 * 2 ** 20 && sizeBytes <= 5 * GIB);
    assert(part === 1 || sizeBytes >= partSizeBytes(part - 1));
    sumBytes += sizeBytes;
    // Files of a common size never need large buffers.
    if (sumBytes <= 62 * GIB) assert(sizeBytes <= 32 * 2 ** 20);
  }
  assert(sumBytes >= MAX_OBJECT_BYTES);
  assertEquals(assertThrows(() => partSizeBytes(MAX_PARTS + 1), ServiceError).code, "too_large");
});

Deno.test("maxParts() holds an upload to 64 MiB or one part", () => {
  for (let part = 1; part <= MAX_PARTS; part++) {
    const sizeBytes = partSizeBytes(part);
    const parts = maxParts(sizeBytes);
    assert(parts >= 1 && parts <= 4);
    assert(parts * sizeBytes <= Math.max(64 * 2 ** 20, sizeBytes));
  }
  assertEquals(maxParts(FIRST_PART_BYTES), 4);
});

async function gatherAll(gatherer: PartGatherer, sizeBytes: number) {
  const parts = [];
  do parts.push(await gatherer.next(sizeBytes)); while (!parts.at(-1)?.isLast);
  return parts;
}

function gathererOf(stream: ReadableStream<Uint8Array>): PartGatherer {
  return new PartGatherer(stream.getReader(), new SpareBlocks(), new AbortController().signal);
}

Deno.test("PartGatherer.next() cuts any chunks into full parts and a last one, each with its hash", async () => {
  const anyStream = fc.record({
    chunkSizes: fc.array(fc.integer({ min: 0, max: 300_000 }), { maxLength: 12 }),
    partSize: fc.integer({ min: 1_000, max: 400_000 }),
  });
  await fc.assert(
    fc.asyncProperty(anyStream, async ({ chunkSizes, partSize }) => {
      const whole = patternBytes(chunkSizes.reduce((sum, size) => sum + size, 0));
      let offset = 0;
      const chunks = chunkSizes.map((size) => whole.subarray(offset, offset += size));
      const parts = await gatherAll(gathererOf(ReadableStream.from(chunks)), partSize);
      assertEquals(parts.length, Math.max(1, Math.ceil(whole.length / partSize)));
      parts.forEach(({ blocks, sizeBytes, sha256, isLast }, i) => {
        const bytes = concat(blocks);
        assertEquals(bytes.length, sizeBytes);
        assert(sameBytes(bytes, whole.subarray(i * partSize, (i + 1) * partSize)));
        assertEquals(sha256, createHash("sha256").update(bytes).digest("hex"));
        assertEquals(isLast, i === parts.length - 1);
      });
    }),
    { numRuns: 60 },
  );
});

Deno.test("PartGatherer.next() knows that a stream of exactly one part has ended", async () => {
  const parts = await gatherAll(gathererOf(streamOf(patternBytes(5_000), 1_000)), 5_000);
  assertEquals(parts.map((part) => [part.sizeBytes, part.isLast]), [[5_000, true]]);
});

Deno.test("PartGatherer.next() takes one block for a small object", async () => {
  const [part] = await gatherAll(gathererOf(streamOf(patternBytes(10_000), 100)), FIRST_PART_BYTES);
  assertEquals([part?.sizeBytes, part?.blocks.length], [10_000, 1]);
});

Deno.test("PartGatherer.next() does not take a cancelled stream for an ended one", async () => {
  const stop = new AbortController();
  const reader = new ReadableStream<Uint8Array>({ pull: () => new Promise(() => {}) }).getReader();
  const next = new PartGatherer(reader, new SpareBlocks(), stop.signal).next(1_000);
  stop.abort(new Error("stopped"));
  await reader.cancel();
  await assertRejects(() => next, Error, "stopped");
});

Deno.test("SpareBlocks gives a returned block out again, whole, and keeps only so many", () => {
  const spare = new SpareBlocks();
  const first = spare.take();
  spare.give([first.subarray(0, 100)]);
  const again = spare.take();
  assert(again.buffer === first.buffer);
  assertEquals(again.length, BLOCK_BYTES);
  const many = Array.from({ length: 200 }, () => new Uint8Array(BLOCK_BYTES));
  spare.give(many);
  const given = new Set(many.map(({ buffer }) => buffer));
  assertEquals(many.filter(() => given.has(spare.take().buffer)).length, 128);
});
