/**
 * What any `ObjectStore` must do, whatever it stands on. A test file calls `objectStoreSuite` once per store; each test
 * opens a store of its own, and its keys are unique, so that a shared bucket serves as well as a fresh folder.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { ServiceError } from "../../src/errors.ts";
import type { ObjectStore } from "../../src/objects/object_store.ts";

/** An open store and how to let it go. */
export interface OpenStore {
  store: ObjectStore;
  close(): Promise<void>;
}

/** What a store is known to lack. */
export interface SuiteOptions {
  /** It can't list or discard unfinished writes. */
  lacksUnfinished?: boolean;
  /** It gives the whole object for the range 0-0. */
  lacksFirstByteRange?: boolean;
}

const MIB = 2 ** 20;
const CONTENT_TYPE = { contentType: "application/octet-stream" };

/** Bytes that differ from place to place, the same for the same seed. */
export function patternBytes(sizeBytes: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  let state = seed;
  for (let i = 0; i < words.length; i++) words[i] = state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return new Uint8Array(words.buffer, 0, sizeBytes);
}

/** The bytes as a stream of chunks of that size. */
export function streamOf(bytes: Uint8Array, chunkBytes = 64 * 1024): ReadableStream<Uint8Array> {
  let offset = 0;
  return new ReadableStream({
    pull(controller) {
      if (offset >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(offset, offset += chunkBytes));
    },
  });
}

/** The bytes, and then `end` decides: it may throw, wait, or return to close the stream. */
export function streamThen(bytes: Uint8Array, end: () => Promise<void>): ReadableStream<Uint8Array> {
  const chunkBytes = 256 * 1024;
  let offset = 0;
  return new ReadableStream({
    async pull(controller) {
      if (offset < bytes.length) return controller.enqueue(bytes.subarray(offset, offset += chunkBytes));
      await end();
      controller.close();
    },
  });
}

/** All of a stream. */
export async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Whether two arrays hold the same bytes; a failing comparison of megabytes must not print them. */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  // Natively: a function called for every byte would take 20 s for a GB.
  return Buffer.from(left.buffer, left.byteOffset, left.byteLength).equals(right);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** Registers the tests under the store's name. */
export function objectStoreSuite(
  name: string,
  open: () => Promise<OpenStore>,
  options: SuiteOptions = {},
): void {
  const test = (sentence: string, body: (store: ObjectStore, key: string) => Promise<void>) =>
    Deno.test(`${name}: ${sentence}`, async () => {
      const { store, close } = await open();
      const key = `suite/${crypto.randomUUID()}`;
      try {
        await body(store, key);
      } finally {
        for await (const object of store.list(key)) await store.delete(object.key);
        await close();
      }
    });
  const leavesNothing = async (store: ObjectStore, key: string) => {
    assertEquals(await store.head(key), undefined);
    assertEquals(await collect(store.list(key)), []);
    if (!options.lacksUnfinished) assertEquals(await collect(store.listUnfinished(key)), []);
  };

  test("check() resolves for a store that is there", async (store) => await store.check());

  test("put() keeps the bytes that get() gives back", async (store, key) => {
    const bytes = patternBytes(100_000);
    assertEquals(await store.put(key, streamOf(bytes, 7), CONTENT_TYPE), { sizeBytes: 100_000 });
    assert(sameBytes(await bytesOf(await store.get(key)), bytes));
  });

  test("put() keeps an object without bytes", async (store, key) => {
    assertEquals(await store.put(key, streamOf(new Uint8Array(0)), CONTENT_TYPE), { sizeBytes: 0 });
    assertEquals((await store.head(key))?.sizeBytes, 0);
    assertEquals((await bytesOf(await store.get(key))).length, 0);
  });

  for (const sizeBytes of [8 * MIB, 8 * MIB + 1, 16 * MIB, 20 * MIB + 3]) {
    test(`put() keeps ${sizeBytes} bytes`, async (store, key) => {
      const bytes = patternBytes(sizeBytes);
      assertEquals(await store.put(key, streamOf(bytes, 100_003), CONTENT_TYPE), { sizeBytes });
      assertEquals((await store.head(key))?.sizeBytes, sizeBytes);
      assert(sameBytes(await bytesOf(await store.get(key)), bytes));
      if (!options.lacksUnfinished) assertEquals(await collect(store.listUnfinished(key)), []);
    });
  }

  test("put() takes a stream of one large chunk", async (store, key) => {
    const bytes = patternBytes(20 * MIB);
    await store.put(key, streamOf(bytes, bytes.length), CONTENT_TYPE);
    assert(sameBytes(await bytesOf(await store.get(key)), bytes));
  });

  test("put() replaces an object", async (store, key) => {
    await store.put(key, streamOf(patternBytes(5_000, 1)), CONTENT_TYPE);
    await store.put(key, streamOf(patternBytes(300, 2)), CONTENT_TYPE);
    assert(sameBytes(await bytesOf(await store.get(key)), patternBytes(300, 2)));
  });

  test("get() gives a range, both ends included", async (store, key) => {
    const bytes = patternBytes(10_000);
    await store.put(key, streamOf(bytes), CONTENT_TYPE);
    const firstByte: [number, number][] = options.lacksFirstByteRange ? [] : [[0, 0]];
    for (const [start, end] of [...firstByte, [0, 1], [0, 9_999], [17, 4_711], [9_999, 9_999]] as const) {
      const part = await bytesOf(await store.get(key, { range: { start, end } }));
      assert(sameBytes(part, bytes.subarray(start, end + 1)), `${start}-${end}`);
    }
  });

  test("get() of an unknown key throws not_found", async (store, key) => {
    const error = await assertRejects(() => store.get(key), ServiceError);
    assertEquals(error.code, "not_found");
  });

  test("get() can be given up after the first chunk", async (store, key) => {
    const bytes = patternBytes(4 * MIB);
    await store.put(key, streamOf(bytes), CONTENT_TYPE);
    const reader = (await store.get(key)).getReader();
    assertEquals((await reader.read()).done, false);
    await reader.cancel();
    assert(sameBytes(await bytesOf(await store.get(key)), bytes));
  });

  test("head() tells size and date, and nothing of an unknown key", async (store, key) => {
    assertEquals(await store.head(key), undefined);
    await store.put(key, streamOf(patternBytes(42)), CONTENT_TYPE);
    const info = await store.head(key);
    assertEquals([info?.key, info?.sizeBytes], [key, 42]);
    assert(info !== undefined && Math.abs(info.lastModified.getTime() - Date.now()) < 3_600_000);
  });

  test("delete() removes an object and does not mind a missing one", async (store, key) => {
    await store.put(key, streamOf(patternBytes(42)), CONTENT_TYPE);
    await store.delete(key);
    assertEquals(await store.head(key), undefined);
    await store.delete(key);
  });

  test("list() gives the keys under a prefix, as they were put", async (store, key) => {
    const keys = ["/a", "/b c", "/d+e", "/f/g", "/ü€😀", "/007", "/1e3", "/&<amp;"].map((end) => key + end);
    for (const each of keys) await store.put(each, streamOf(patternBytes(3)), CONTENT_TYPE);
    const listed = await collect(store.list(key));
    assertEquals(listed.map((object) => object.key).sort(), keys.toSorted());
    assert(listed.every((object) => object.sizeBytes === 3 && object.lastModified.getTime() > 0));
    assertEquals((await collect(store.list(`${key}/f`))).map((object) => object.key), [`${key}/f/g`]);
    for (const each of keys) assertEquals((await store.head(each))?.sizeBytes, 3, each);
  });

  for (const sizeBytes of [1_000, 20 * MIB]) {
    test(
      `put() of a stream that errors after ${sizeBytes} bytes throws its error and leaves nothing`,
      async (store, key) => {
        const lost = new Error("the client went away");
        const body = streamThen(patternBytes(sizeBytes), () => Promise.reject(lost));
        const error = await assertRejects(() => store.put(key, body, CONTENT_TYPE), Error);
        assertEquals(error, lost);
        await leavesNothing(store, key);
      },
    );

    test(
      `put() that is aborted after ${sizeBytes} bytes throws the signal's reason and leaves nothing`,
      async (store, key) => {
        const abort = new AbortController();
        const body = streamThen(patternBytes(sizeBytes), () => {
          abort.abort(new Error("no time left"));
          return new Promise(() => {});
        });
        const error = await assertRejects(
          () => store.put(key, body, { ...CONTENT_TYPE, signal: abort.signal }),
          Error,
        );
        assertEquals(error, abort.signal.reason);
        await leavesNothing(store, key);
      },
    );
  }

  test("put() that fails leaves the object that was there", async (store, key) => {
    await store.put(key, streamOf(patternBytes(500)), CONTENT_TYPE);
    const body = streamThen(patternBytes(500, 2), () => Promise.reject(new Error("the client went away")));
    await assertRejects(() => store.put(key, body, CONTENT_TYPE), Error, "the client went away");
    assert(sameBytes(await bytesOf(await store.get(key)), patternBytes(500)));
  });

  test("put() whose signal has fired already stores nothing", async (store, key) => {
    const signal = AbortSignal.abort(new Error("too late"));
    const put = () => store.put(key, streamOf(patternBytes(10)), { ...CONTENT_TYPE, signal });
    assertEquals(await assertRejects(put, Error), signal.reason);
    await leavesNothing(store, key);
  });

  if (options.lacksUnfinished) return;

  test(
    "listUnfinished() shows a write that is under way, discardUnfinished() ends it",
    async (store, key) => {
      const allBytesRead = Promise.withResolvers<void>();
      const mayEnd = Promise.withResolvers<void>();
      const body = streamThen(patternBytes(20 * MIB), async () => {
        allBytesRead.resolve();
        await mayEnd.promise;
      });
      const put = store.put(key, body, CONTENT_TYPE);
      // The store may fail before the end of the stream; whoever waits for the put sees it.
      put.catch(() => {});
      await allBytesRead.promise;
      const unfinished = await collect(store.listUnfinished(key));
      assertEquals(unfinished.map((write) => write.key), [key]);
      for (const write of unfinished) {
        await store.discardUnfinished(write);
        await store.discardUnfinished(write);
      }
      assertEquals(await collect(store.listUnfinished(key)), []);
      mayEnd.resolve();
      await assertRejects(() => put, ServiceError);
      await leavesNothing(store, key);
    },
  );
}
