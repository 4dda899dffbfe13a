import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { ServiceError } from "../../src/errors.ts";
import { BLOCK_BYTES, ChunkedBody } from "../../src/http/chunked_body.ts";
import { seededBytes } from "../integration/seeded_bytes.ts";
import { connect, writeAll } from "../server/raw.ts";

const encoder = new TextEncoder();

/** A body in HTTP chunks of the given sizes, over and over. */
function* framed(content: Uint8Array, sizes: number[]): Generator<Uint8Array> {
  for (let start = 0, n = 0; start < content.length; n++) {
    const chunk = content.subarray(start, start + (sizes[n % sizes.length] ?? 1));
    start += chunk.length;
    yield encoder.encode(`${chunk.length.toString(16)}\r\n`);
    yield chunk;
    yield encoder.encode("\r\n");
  }
}

/** Gathers small pieces, so that many HTTP chunks are on the wire at once. */
function* inWrites(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  const block = new Uint8Array(64 * 1024);
  let filledBytes = 0;
  for (const piece of pieces) {
    for (let start = 0; start < piece.length;) {
      const part = piece.subarray(start, start + block.length - filledBytes);
      block.set(part, filledBytes);
      start += part.length;
      filledBytes += part.length;
      if (filledBytes < block.length) continue;
      yield block;
      filledBytes = 0;
    }
  }
  yield block.subarray(0, filledBytes);
}

/** Sends a body over a socket to a server whose handler gets it; returns what the handler returned. */
async function received<T>(
  writes: Iterable<Uint8Array>,
  handle: (body: ChunkedBody) => Promise<T>,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = new ChunkedBody(request.body ?? new ReadableStream({ type: "bytes" }));
    await handle(body).then(resolve, reject);
    await body.cancel("over").catch(() => {});
    return new Response();
  });
  const connection = await connect({ url: `http://127.0.0.1:${server.addr.port}` });
  const sending = (async () => {
    await writeAll(connection, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (const bytes of writes) await writeAll(connection, bytes);
    await writeAll(connection, "0\r\n\r\n");
  })().catch(() => {});
  try {
    return await promise;
  } finally {
    // Ends a client that still sends.
    connection.close();
    await sending;
    await server.shutdown();
  }
}

async function readAll(body: ChunkedBody): Promise<{ sizeBytes: number; sha256: string; fills: number }> {
  const hash = createHash("sha256");
  const block = new Uint8Array(BLOCK_BYTES);
  let sizeBytes = 0;
  for (let fills = 1;; fills++) {
    const filledBytes = await body.fill(block);
    if (filledBytes === 0) return { sizeBytes, sha256: hash.digest("hex"), fills };
    hash.update(block.subarray(0, filledBytes));
    sizeBytes += filledBytes;
  }
}

const KIB = 1024;
const FRAMINGS: [name: string, sizes: number[], sizeBytes: number][] = [
  ["1 byte", [1], 5_000],
  ["100 bytes", [100], 300_000],
  ["about the least buffer", [1010, 1018, 1024, 1030], 2_000_000],
  ["64 KiB", [64 * KIB], 16 * KIB * KIB],
  ["1 MiB", [KIB * KIB], 16 * KIB * KIB],
  ["one piece", [8 * KIB * KIB], 8 * KIB * KIB],
  ["large and tiny by turns", [32 * KIB, 3], 2 * KIB * KIB],
  ["growing sizes", Array.from({ length: 400 }, (_, n) => 1 + n * 97), 3 * KIB * KIB],
];

for (const [name, sizes, sizeBytes] of FRAMINGS) {
  Deno.test(`ChunkedBody: a body in HTTP chunks of ${name} arrives byte by byte`, async () => {
    const content = seededBytes(7, 0, sizeBytes);
    const { fills: _, ...arrived } = await received(inWrites(framed(content, sizes)), readAll);
    assertEquals(arrived, { sizeBytes, sha256: createHash("sha256").update(content).digest("hex") });
  });
}

Deno.test("ChunkedBody: small HTTP chunks that are there are given together", async () => {
  const content = seededBytes(7, 0, 1_000_000);
  const { fills } = await received(inWrites(framed(content, [200])), readAll);
  assert(fills < 500, `${fills} fills for 5,000 HTTP chunks`);
});

Deno.test("ChunkedBody: a body that breaks off fails", async () => {
  const { promise: isRead, resolve } = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = new ChunkedBody(request.body ?? new ReadableStream({ type: "bytes" }));
    const block = new Uint8Array(BLOCK_BYTES);
    assertEquals(await body.fill(block), 1000);
    resolve();
    await assertRejects(() => body.fill(block)).then(() => failed.resolve(), failed.reject);
    return new Response();
  });
  const failed = Promise.withResolvers<void>();
  const connection = await connect({ url: `http://127.0.0.1:${server.addr.port}` });
  await writeAll(connection, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const bytes of framed(seededBytes(7, 0, 1000), [1000])) await writeAll(connection, bytes);
  await isRead;
  connection.close();
  await failed.promise;
  await server.shutdown();
});

Deno.test("ChunkedBody: tiny HTTP chunks that come faster than they are read are refused", async () => {
  function* endless() {
    const block = [...inWrites(framed(new Uint8Array(20_000), [4]))][0] ?? new Uint8Array();
    const whole = block.subarray(0, Math.floor(block.length / 9) * 9);
    for (let n = 0; n < 10_000; n++) yield whole;
  }
  const error = await received(endless(), async (body) => {
    const block = new Uint8Array(BLOCK_BYTES);
    return await assertRejects(async () => {
      while (await body.fill(block) > 0);
    }, ServiceError);
  });
  assertEquals(error.code, "invalid_request");
});

/**
 * A body whose bytes are always there, in large HTTP chunks first and then in those of one size; `pileBytes` says what the
 * runtime has taken off the socket for it and not given: as much as the largest buffer so far, at each read.
 */
function growingPile(chunkBytes: number): { body: ReadableStream<Uint8Array>; pileBytes: () => number } {
  let reads = 0;
  let largestBytes = 0;
  let pileBytes = 0;
  const source: UnderlyingByteSource = {
    type: "bytes",
    pull(controller) {
      const request = controller.byobRequest;
      const roomBytes = request?.view?.byteLength ?? 0;
      largestBytes = Math.max(largestBytes, roomBytes);
      const givenBytes = Math.min(roomBytes, reads++ < 1000 ? 64 * KIB : chunkBytes);
      pileBytes += largestBytes - givenBytes;
      request?.respond(givenBytes);
    },
  };
  return { body: new ReadableStream(source), pileBytes: () => pileBytes };
}

const PILES: [what: string, chunkBytes: number, mostBytes: number][] = [
  ["32 MiB", 8 * KIB, 32 * KIB * KIB],
  ["8 MiB in tiny HTTP chunks", 500, 8 * KIB * KIB],
];

for (const [what, chunkBytes, mostBytes] of PILES) {
  Deno.test(`ChunkedBody: a body is given up when ${what} of it may have piled up`, async () => {
    const { body, pileBytes } = growingPile(chunkBytes);
    const reader = new ChunkedBody(body);
    const block = new Uint8Array(BLOCK_BYTES);
    const error = await assertRejects(async () => {
      while (pileBytes() < 2 * mostBytes) await reader.fill(block);
    }, ServiceError);
    assertEquals(error.code, "invalid_request");
    assert(pileBytes() > mostBytes && pileBytes() < 1.01 * mostBytes, `${pileBytes()} bytes`);
  });
}

Deno.test("ChunkedBody: a body in HTTP chunks of irregular sizes that outruns its reader is read to its end", async () => {
  const sizes = Array.from({ length: 997 }, (_, n) => 1000 + (n * 7919) % 200_000);
  const sizeBytes = 60 * KIB * KIB;
  const arrived = await received(inWrites(framed(seededBytes(7, 0, sizeBytes), sizes)), async (body) => {
    const block = new Uint8Array(BLOCK_BYTES);
    let arrivedBytes = 0;
    for (let bytes = await body.fill(block); bytes > 0; bytes = await body.fill(block)) {
      arrivedBytes += bytes;
      // Each block costs its reader more than it costs the client to send it.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return arrivedBytes;
  });
  assertEquals(arrived, sizeBytes);
});
