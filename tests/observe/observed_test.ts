import { assert, assertEquals, assertRejects } from "@std/assert";
import { ServiceError } from "../../src/errors.ts";
import { FileStore } from "../../src/objects/file_store.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import { Operations } from "../../src/observe/observed.ts";
import { observedKv } from "../../src/observe/observed_kv.ts";
import { observedStore } from "../../src/observe/observed_store.ts";

/** How often each operation was counted, and how often it failed. */
async function countsOf(metrics: Metrics, end: string): Promise<Record<string, number>> {
  const lines = (await metrics.text()).matchAll(new RegExp(`_${end}\\{operation="(\\w+)"\\} (\\d+)`, "g"));
  return Object.fromEntries([...lines].map(([, operation, count]) => [operation, Number(count)]));
}

Deno.test("observedKv() measures a KV that works as before", async () => {
  const metrics = new Metrics();
  using kv = observedKv(await Deno.openKv(":memory:"), new Operations(metrics, "kv", "the KV"));
  await kv.set(["a", 1], "one");
  const commit = kv.atomic().check({ key: ["a", 2], versionstamp: null }).set(["a", 2], "two").set(
    ["log", kv.commitVersionstamp()],
    1,
  );
  assertEquals((await commit.commit()).ok, true);
  assertEquals((await kv.get(["a", 1])).value, "one");
  assertEquals((await kv.getMany([["a", 1], ["a", 2]])).map(({ value }) => value), ["one", "two"]);
  const listed = [];
  const iterator = kv.list({ prefix: ["a"] }, { batchSize: 1 });
  for await (const { value } of iterator) listed.push(value);
  assertEquals(listed, ["one", "two"]);
  assertEquals(typeof iterator.cursor, "string");
  await kv.delete(["a", 1]);
  assertEquals(await countsOf(metrics, "duration_seconds_count"), {
    set: 1,
    commit: 1,
    get: 1,
    getMany: 1,
    list: 1,
    delete: 1,
  });
  await assertRejects(() => kv.set(["a".repeat(3000)], 1), TypeError);
  assertEquals((await countsOf(metrics, "errors_total")).set, 1);
});

Deno.test("observedStore() measures a store that works as before, and counts no missing object as an error", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const metrics = new Metrics();
    const store = observedStore(new FileStore(folder), new Operations(metrics, "store", "the store"));
    const options = { contentType: "text/plain" };
    await store.put("asset/a", new Blob(["bytes"]).stream(), options);
    assertEquals(await new Response(await store.get("asset/a")).text(), "bytes");
    assertEquals((await store.head("asset/a"))?.sizeBytes, 5);
    await store.check();
    const missing = await assertRejects(() => store.get("asset/b"), ServiceError);
    assertEquals(missing.code, "not_found");
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("broken")),
    });
    await assertRejects(() => store.put("asset/c", broken, options));
    const state = await store.resumable.begin("asset/d", { ...options, sizeBytes: 1 });
    await store.resumable.discard("asset/d", state);
    const counts = await countsOf(metrics, "duration_seconds_count");
    assertEquals(counts, { put: 2, get: 2, head: 1, check: 1, begin: 1, discard: 1 });
    const errors = await countsOf(metrics, "errors_total");
    assertEquals([errors.put, errors.get], [1, 0]);
    const keys = [];
    for await (const { key } of store.list("asset/")) keys.push(key);
    assertEquals(keys, ["asset/a"]);
    assert(store.description.includes(folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
