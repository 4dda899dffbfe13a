/**
 * What the resumable writes of any `ObjectStore` must do. As in `object_store_suite.ts`, keys are unique, so a shared
 * bucket serves as well as a fresh folder.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { ServiceError } from "../../src/errors.ts";
import type { ObjectStore, ResumableState } from "../../src/objects/object_store.ts";
import { bytesOf, patternBytes, sameBytes, streamOf, streamThen } from "./object_store_suite.ts";

/** A store that can be opened again, as another process does. */
export interface OpenResumable {
  open(): ObjectStore;
  close(): Promise<void>;
}

/** What a store is known to lack. */
export interface ResumableSuiteOptions {
  /** It can't abort or list multipart uploads. */
  lacksUnfinished?: boolean;
  /** The store is a slow stand-in; writes of more than 64 MiB are left to real ones. */
  lacksSpeed?: boolean;
}

const MIB = 2 ** 20;
const TYPE = "application/octet-stream";

/** Appends, and holds each checkpoint to what the digest has seen and to the bytes that were to be written. */
export class CheckedWrite {
  /** What a caller would have kept. */
  state: ResumableState;
  readonly checkpoints: ResumableState[] = [];
  readonly #store: () => ObjectStore;
  readonly #key: string;
  readonly #whole: Uint8Array;
  readonly #seen = new Map<number, ReturnType<typeof createHash>>([[0, createHash("sha256")]]);

  private constructor(store: () => ObjectStore, key: string, whole: Uint8Array, state: ResumableState) {
    this.#store = store;
    this.#key = key;
    this.#whole = whole;
    this.state = state;
  }

  static async begin(store: () => ObjectStore, key: string, whole: Uint8Array): Promise<CheckedWrite> {
    const state = await store().resumable.begin(key, { contentType: TYPE, sizeBytes: whole.length });
    assertEquals(state.offset, 0);
    return new CheckedWrite(store, key, whole, survived(state));
  }

  /** Appends the next bytes, or another stream. Each call uses a store of its own. */
  async append(sizeBytes: number, more: { body?: ReadableStream<Uint8Array>; signal?: AbortSignal } = {}) {
    const digest = this.#seen.get(this.state.offset)?.copy();
    if (!digest) throw new Error("Nobody has seen the bytes up to here.");
    const body = more.body ?? streamOf(this.next(sizeBytes), 100_003);
    const state = await this.#store().resumable.append(this.#key, this.state, body, {
      digest,
      signal: more.signal,
      checkpoint: (state) => {
        assertEquals(
          digest.copy().digest("hex"),
          createHash("sha256").update(this.#whole.subarray(0, state.offset)).digest("hex"),
          `what the digest has seen at ${state.offset}`,
        );
        this.state = survived(state);
        this.checkpoints.push(this.state);
        this.#seen.set(state.offset, digest.copy());
        return Promise.resolve();
      },
    });
    assertEquals(survived(state), this.state);
  }

  /** So many of the bytes that come next. */
  next(sizeBytes: number): Uint8Array {
    return this.#whole.subarray(this.state.offset, this.state.offset + sizeBytes);
  }

  async finish(): Promise<void> {
    await this.#store().resumable.finish(this.#key, this.state);
  }

  async discard(): Promise<void> {
    await this.#store().resumable.discard(this.#key, this.state);
  }

  async assertStored(): Promise<void> {
    assert(sameBytes(await bytesOf(await this.#store().get(this.#key)), this.#whole));
  }
}

/** A state after it was kept as JSON. */
function survived(state: ResumableState): ResumableState {
  return JSON.parse(JSON.stringify(state));
}

/** Registers the tests under the store's name. */
export function resumableSuite(
  name: string,
  openResumable: () => Promise<OpenResumable>,
  options: ResumableSuiteOptions = {},
): void {
  const test = (
    sentence: string,
    body: (store: () => ObjectStore, key: string) => Promise<void>,
  ) =>
    Deno.test(`${name}: ${sentence}`, async () => {
      const { open, close } = await openResumable();
      const key = `suite/${crypto.randomUUID()}`;
      try {
        await body(open, key);
      } finally {
        await open().delete(key);
        await close();
      }
    });

  /** Writes of more than one checkpoint. */
  const largeTest: typeof test = options.lacksSpeed ? () => {} : test;

  /** All that the store shows of this key: objects, open uploads, temporary files, tails. */
  const traces = async (store: ObjectStore, key: string) => {
    const found: string[] = [];
    for await (const object of store.list("")) if (object.key.includes(key)) found.push(object.key);
    if (options.lacksUnfinished) return found;
    for await (const write of store.listUnfinished(key)) found.push(`unfinished ${write.key}`);
    return found;
  };

  test("append() takes all bytes in one call, and finish() makes the object", async (store, key) => {
    const write = await CheckedWrite.begin(store, key, patternBytes(20 * MIB + 3));
    await write.append(20 * MIB + 3);
    assertEquals(await store().head(key), undefined);
    await write.finish();
    await write.assertStored();
    assertEquals(await traces(store(), key), [key]);
  });

  largeTest("append() takes a checkpoint every 64 MiB", async (store, key) => {
    const write = await CheckedWrite.begin(store, key, patternBytes(150 * MIB));
    await write.append(150 * MIB);
    assertEquals(write.checkpoints.map(({ offset }) => offset / MIB), [64, 128, 150]);
    await write.finish();
    await write.assertStored();
  });

  test("append() goes on where the call before ended, whatever the sizes", async (store, key) => {
    const sizes = [1, MIB, 5 * MIB - 1, 8 * MIB, 0, 1, 12_345_678, 2 * MIB + 1, 77, 8 * MIB - 1, 1, 333_333];
    const write = await CheckedWrite.begin(store, key, patternBytes(sizes.reduce((a, b) => a + b)));
    for (const size of sizes) await write.append(size);
    await write.finish();
    await write.assertStored();
    assertEquals(await traces(store(), key), [key]);
  });

  for (const sizeBytes of [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB]) {
    test(`${sizeBytes} bytes in two calls become an object`, async (store, key) => {
      const write = await CheckedWrite.begin(store, key, patternBytes(sizeBytes));
      if (sizeBytes > 0) await write.append(Math.ceil(sizeBytes / 2));
      if (sizeBytes > 1) await write.append(sizeBytes);
      await write.finish();
      await write.assertStored();
      assertEquals(await traces(store(), key), [key]);
    });
  }

  for (const sizeBytes of [1_000, 21 * MIB]) {
    test(`append() keeps ${sizeBytes} bytes that came before the stream errors`, async (store, key) => {
      const write = await CheckedWrite.begin(store, key, patternBytes(30 * MIB));
      await write.append(MIB);
      const body = streamThen(write.next(sizeBytes), () => Promise.reject(new Error("gone")));
      await write.append(sizeBytes, { body });
      assertEquals(write.state.offset, MIB + sizeBytes);
      await write.append(30 * MIB);
      await write.finish();
      await write.assertStored();
    });
  }

  test("append() of a stream that errors at once changes nothing", async (store, key) => {
    const write = await CheckedWrite.begin(store, key, patternBytes(9 * MIB));
    await write.append(100);
    await write.append(0, { body: streamThen(new Uint8Array(0), () => Promise.reject(new Error("gone"))) });
    assertEquals(write.state.offset, 100);
    await write.append(9 * MIB);
    await write.finish();
    await write.assertStored();
  });

  for (const sizeBytes of [100_000, 70 * MIB]) {
    largeTest(
      `append() whose signal fires after ${sizeBytes} bytes throws its reason, the last checkpoint holds`,
      async (store, key) => {
        const write = await CheckedWrite.begin(store, key, patternBytes(72 * MIB));
        await write.append(1_000_000);
        const stop = new AbortController();
        const body = streamThen(write.next(sizeBytes), () => {
          stop.abort(new Error("no time left"));
          return new Promise(() => {});
        });
        const error = await assertRejects(() => write.append(0, { body, signal: stop.signal }), Error);
        assertEquals(error, stop.signal.reason);
        const { length } = write.checkpoints;
        await write.append(72 * MIB);
        assertEquals(write.checkpoints.length >= length, true);
        await write.finish();
        await write.assertStored();
        assertEquals(await traces(store(), key), [key]);
      },
    );
  }

  test("append() whose signal has fired already reads nothing", async (store, key) => {
    const write = await CheckedWrite.begin(store, key, patternBytes(100));
    const cancelled = Promise.withResolvers<unknown>();
    const body = new ReadableStream<Uint8Array>({ cancel: (reason) => cancelled.resolve(reason) });
    const signal = AbortSignal.abort(new Error("too late"));
    await assertRejects(() => write.append(0, { body, signal }), Error, "too late");
    assertEquals(await cancelled.promise, signal.reason);
    await write.discard();
    assertEquals(await traces(store(), key), []);
  });

  test("append() goes on from a state that later calls have left behind", async (store, key) => {
    const write = await CheckedWrite.begin(store, key, patternBytes(40 * MIB));
    await write.append(10 * MIB);
    const old = write.state;
    // What a client sends that then turns out to be wrong, on two attempts.
    for (const size of [MIB, 20 * MIB]) {
      const digest = { update() {} };
      const checkpoint = () => Promise.resolve();
      const wrong = streamOf(patternBytes(size, 99));
      await store().resumable.append(key, old, wrong, { digest, checkpoint });
    }
    await write.append(7 * MIB);
    await write.append(40 * MIB);
    await write.finish();
    await write.assertStored();
    assertEquals(await traces(store(), key), [key]);
  });

  for (const sizeBytes of [100, 9 * MIB]) {
    test(`finish() of ${sizeBytes} bytes leaves out what its state does not count`, async (store, key) => {
      const write = await CheckedWrite.begin(store, key, patternBytes(sizeBytes));
      await write.append(sizeBytes);
      const digest = { update() {} };
      const checkpoint = () => Promise.resolve();
      await store().resumable.append(key, write.state, streamOf(patternBytes(50)), { digest, checkpoint });
      await write.finish();
      await write.assertStored();
      assertEquals(await traces(store(), key), [key]);
    });
  }

  largeTest("append() whose checkpoint fails throws that, and the last one holds", async (store, key) => {
    const write = await CheckedWrite.begin(store, key, patternBytes(70 * MIB));
    await write.append(1);
    const failing = () => Promise.reject(new Error("nobody keeps it"));
    const append = () =>
      store().resumable.append(key, write.state, streamOf(write.next(70 * MIB)), {
        digest: { update() {} },
        checkpoint: failing,
      });
    await assertRejects(append, Error, "nobody keeps it");
    await write.append(70 * MIB);
    await write.finish();
    await write.assertStored();
  });

  for (const sizeBytes of [500, 9 * MIB, 16 * MIB]) {
    test(
      `finish() of ${sizeBytes} bytes may be repeated, and discard() after it removes nothing`,
      async (store, key) => {
        const write = await CheckedWrite.begin(store, key, patternBytes(sizeBytes));
        await write.append(sizeBytes);
        await write.finish();
        await write.finish();
        if (!options.lacksUnfinished) await write.discard();
        await write.assertStored();
        assertEquals(await traces(store(), key), [key]);
      },
    );

    if (options.lacksUnfinished && sizeBytes > 4 * MIB) continue;
    test(`discard() of ${sizeBytes} bytes leaves nothing and may be repeated`, async (store, key) => {
      const write = await CheckedWrite.begin(store, key, patternBytes(2 * sizeBytes));
      await write.append(sizeBytes);
      await write.append(1);
      await write.discard();
      await write.discard();
      assertEquals(await traces(store(), key), []);
      const error = await assertRejects(() => write.append(1), ServiceError);
      assertEquals(error.code, "not_found");
      assertEquals((await assertRejects(() => write.finish(), ServiceError)).code, "not_found");
      assertEquals(await traces(store(), key), []);
    });
  }

  test("discard() right after begin() leaves nothing", async (store, key) => {
    for (const sizeBytes of options.lacksUnfinished ? [10] : [10, 20 * MIB]) {
      const write = await CheckedWrite.begin(store, key, patternBytes(sizeBytes));
      await write.discard();
      assertEquals(await traces(store(), key), []);
    }
  });

  largeTest("append() buffers no more than a put does", async (store, key) => {
    const chunk = patternBytes(256 * 1024);
    const sizeBytes = 96 * MIB;
    let pulled = 0, mostAhead = 0, digested = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulled === sizeBytes) return controller.close();
        pulled += chunk.length;
        mostAhead = Math.max(mostAhead, pulled - digested);
        controller.enqueue(chunk);
      },
    });
    const { resumable } = store();
    const state = await resumable.begin(key, { contentType: TYPE, sizeBytes });
    const digest = { update: (bytes: Uint8Array) => void (digested += bytes.length) };
    await resumable.append(key, state, body, { digest, checkpoint: () => Promise.resolve() });
    // Four parts, one chunk that is looked at and one in the stream's own queue.
    assert(mostAhead <= 32 * MIB + 2 * chunk.length, `${mostAhead / MIB} MiB`);
    await resumable.discard(key, state).catch((error) => {
      if (!options.lacksUnfinished) throw error;
    });
  });
}
