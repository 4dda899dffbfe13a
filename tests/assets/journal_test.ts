import { assertEquals, assertRejects } from "@std/assert";
import { Journal, type JournalEntry } from "../../src/assets/journal.ts";
import { AlongsideChanged } from "../../src/collection/collection.ts";
import { FileStore } from "../../src/objects/file_store.ts";
import { keys, openCollection } from "../collection/fixture.ts";

const DB = "db";
const MINUTE_MS = 60_000;

async function open() {
  const test = await openCollection();
  const folder = await Deno.makeTempDir({ prefix: "journal-test-" });
  const store = new FileStore(folder);
  return {
    ...test,
    store,
    put: (key: string) => store.put(key, new Blob(["bytes"]).stream(), { contentType: "text/plain" }),
    pending: () => keys(test.kv, ["pending"]),
    async [Symbol.asyncDispose]() {
      await test[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** The process that holds an entry ends: its heart stops, the entry stays. */
async function dies(entry: JournalEntry): Promise<void> {
  await entry.settle();
}

Deno.test("Journal.sweep() clears the object of a process that is gone at once where nothing shares the KV", async () => {
  await using test = await open();
  const before = new Journal({ kv: test.kv, assetsDbId: DB, isShared: false });
  await dies(await before.begin("a", "asset/a"));
  await test.put("asset/a");
  const after = new Journal({ kv: test.kv, assetsDbId: DB, isShared: false });
  assertEquals(await after.sweep(test.store), 1);
  assertEquals(await test.store.head("asset/a"), undefined);
  assertEquals(await test.pending(), []);
});

Deno.test("Journal.sweep() clears the temporary file of a write that a crash cut off", async () => {
  await using test = await open();
  const before = new Journal({ kv: test.kv, assetsDbId: DB, isShared: false });
  await dies(await before.begin("a", "asset/a"));
  let hasBegun = () => {};
  const begun = new Promise<void>((resolve) => (hasBegun = resolve));
  const stop = new AbortController();
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new Uint8Array(1024 * 1024));
      hasBegun();
      return new Promise((resolve) => setTimeout(resolve, 1));
    },
  });
  const writing = test.store.put("asset/a", endless, { contentType: "", signal: stop.signal });
  await begun;
  while ((await Array.fromAsync(test.store.listUnfinished("asset/a"))).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const after = new Journal({ kv: test.kv, assetsDbId: DB, isShared: false });
  assertEquals(await after.sweep(test.store), 1);
  assertEquals(await Array.fromAsync(test.store.listUnfinished("asset/a")), []);
  stop.abort();
  await assertRejects(() => writing);
});

Deno.test("Journal.sweep() leaves alone what is being worked on, here and on a node that shares the KV", async () => {
  await using test = await open();
  const here = new Journal({ kv: test.kv, assetsDbId: DB, isShared: true });
  const there = new Journal({ kv: test.kv, assetsDbId: DB, isShared: true });
  const entry = await here.begin("a", "asset/a");
  await test.put("asset/a");
  assertEquals([await here.sweep(test.store), await there.sweep(test.store)], [0, 0]);
  const inAQuarter = { now: Date.now() + 16 * MINUTE_MS };
  assertEquals(await there.sweep(test.store, inAQuarter), 1);
  assertEquals(await test.store.head("asset/a"), undefined);
  await entry.undo(test.store);
});

Deno.test("Journal.sweep() does not see the entries of another Assets DB", async () => {
  await using test = await open();
  const other = new Journal({ kv: test.kv, assetsDbId: "other", isShared: false });
  await dies(await other.begin("a", "asset/a"));
  await test.put("asset/a");
  const journal = new Journal({ kv: test.kv, assetsDbId: DB, isShared: false });
  assertEquals(await journal.sweep(test.store, { now: Date.now() + 60 * MINUTE_MS }), 0);
});

Deno.test("JournalEntry.settle() makes a commit fail whose entry was swept meanwhile", async () => {
  await using test = await open();
  const slow = new Journal({ kv: test.kv, assetsDbId: DB, isShared: true });
  const entry = await slow.begin("a", "asset/a");
  const sweeper = new Journal({ kv: test.kv, assetsDbId: DB, isShared: true });
  await sweeper.sweep(test.store, { now: Date.now() + 16 * MINUTE_MS });
  const settled = await entry.settle();
  await assertRejects(() => test.things.insert("a", {}, settled), AlongsideChanged);
});

Deno.test("JournalEntry.undo() removes what a store kept of a write that failed", async () => {
  await using test = await open();
  const journal = new Journal({ kv: test.kv, assetsDbId: DB, isShared: false });
  const entry = await journal.begin("a", "asset/a");
  await test.put("asset/a");
  await entry.undo(test.store);
  assertEquals(await test.store.head("asset/a"), undefined);
  assertEquals(await test.pending(), []);
});

Deno.test("JournalEntry.settle() takes the entry out with the commit", async () => {
  await using test = await open();
  const journal = new Journal({ kv: test.kv, assetsDbId: DB, isShared: false });
  const entry = await journal.begin("a", "asset/a");
  assertEquals((await test.pending()).length, 1);
  await test.things.insert("a", {}, await entry.settle());
  assertEquals(await test.pending(), []);
});

Deno.test("Journal.deletion() leaves an entry until the object is gone", async () => {
  await using test = await open();
  const journal = new Journal({ kv: test.kv, assetsDbId: DB, isShared: false });
  await test.put("asset/a");
  const stored = await test.things.insert("a", {});
  await test.things.remove(stored, journal.deletion("a", "asset/a"));
  assertEquals((await test.pending()).length, 1);
  await journal.finishDeletion("a", "asset/a", test.store);
  assertEquals(await test.pending(), []);
  assertEquals(await test.store.head("asset/a"), undefined);
});

Deno.test("JournalEntry.undo() keeps the object of a commit that has happened although its answer was lost", async () => {
  await using test = await open();
  const journal = new Journal({ kv: test.kv, assetsDbId: DB, isShared: true });
  const entry = await journal.begin("a", "asset/a");
  await test.put("asset/a");
  await test.things.insert("a", {}, await entry.settle());
  await entry.undo(test.store);
  assertEquals((await test.store.head("asset/a"))?.sizeBytes, 5);
});

Deno.test("JournalEntry.undo() makes a commit fail that arrives late", async () => {
  await using test = await open();
  const journal = new Journal({ kv: test.kv, assetsDbId: DB, isShared: true });
  const entry = await journal.begin("a", "asset/a");
  const late = await entry.settle();
  await entry.undo(test.store);
  await assertRejects(() => test.things.insert("a", {}, late), AlongsideChanged);
});

Deno.test("Journal.sweep() clears what this process gave up, once nothing of it can be under way", async () => {
  await using test = await open();
  const journal = new Journal({ kv: test.kv, assetsDbId: DB, isShared: true });
  await dies(await journal.begin("a", "asset/a"));
  await test.put("asset/a");
  assertEquals(await journal.sweep(test.store, { now: Date.now() + MINUTE_MS }), 0);
  assertEquals(await journal.sweep(test.store, { now: Date.now() + 3 * MINUTE_MS }), 1);
  assertEquals(await test.store.head("asset/a"), undefined);
});

Deno.test("Journal.sweep() gives others time to say that they are running when the KV was away", async () => {
  await using test = await open();
  const away = { upSince: Infinity };
  const there = new Journal({ kv: test.kv, assetsDbId: DB, isShared: true });
  const here = new Journal({ kv: test.kv, assetsDbId: DB, isShared: true, kvUpSince: () => away.upSince });
  const entry = await there.begin("a", "asset/a");
  const now = Date.now() + 20 * MINUTE_MS;
  assertEquals(await here.sweep(test.store, { now }), 0);
  away.upSince = now - MINUTE_MS;
  assertEquals(await here.sweep(test.store, { now }), 0);
  away.upSince = now - 3 * MINUTE_MS;
  assertEquals(await here.sweep(test.store, { now }), 1);
  await entry.undo(test.store);
});
