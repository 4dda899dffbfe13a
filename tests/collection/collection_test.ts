import { assert, assertEquals, assertRejects } from "@std/assert";
import { AlongsideChanged, DocumentChanged } from "../../src/collection/collection.ts";
import { ServiceError } from "../../src/errors.ts";
import { present } from "../present.ts";
import { keys, openCollection } from "./fixture.ts";

Deno.test("Collection.insert() stores a document that get() and find() give back", async () => {
  await using test = await openCollection();
  await test.things.insert("a", { name: "A", nested: { list: [1, null, "x"] } });
  assertEquals((await test.things.get("a"))?.document, { name: "A", nested: { list: [1, null, "x"] } });
  assertEquals((await test.things.find({ field: "name", value: "A" }))?.id, "a");
  assertEquals(await test.things.get("b"), undefined);
  assertEquals(await test.things.find({ field: "name", value: "B" }), undefined);
});

Deno.test("Collection.insert() lets exactly one of many take a unique value", async () => {
  await using test = await openCollection();
  const tries = Array.from({ length: 40 }, (_, n) => test.things.insert(`id-${n}`, { name: "one", n }));
  const results = await Promise.allSettled(tries);
  const refused = results.filter((result) => result.status === "rejected").map(({ reason }) => reason);
  assertEquals(refused.length, 39);
  for (const error of refused) {
    assert(error instanceof ServiceError);
    assertEquals([error.code, error.details], ["already_exists", [{ path: "name", message: "is taken" }]]);
  }
  assertEquals((await keys(test.kv, ["doc"])).length, 1);
});

Deno.test("Collection.insert() keeps a unique value longer than a KV key", async () => {
  await using test = await openCollection();
  const name = "é".repeat(3000);
  await test.things.insert("a", { name });
  assertEquals((await test.things.find({ field: "name", value: name }))?.id, "a");
  assertEquals(await test.things.find({ field: "name", value: `${name}x` }), undefined);
  await assertRejects(() => test.things.insert("b", { name }), ServiceError, "taken");
});

Deno.test("Collection.get() is undefined for an id that no key could hold", async () => {
  await using test = await openCollection();
  assertEquals(await test.things.get("x".repeat(5000)), undefined);
});

Deno.test("Collection.replace() moves unique values and frees the old ones", async () => {
  await using test = await openCollection();
  const stored = await test.things.insert("a", { name: "old" });
  await test.things.replace(stored, { name: "new" });
  assertEquals(await test.things.find({ field: "name", value: "old" }), undefined);
  assertEquals((await test.things.find({ field: "name", value: "new" }))?.id, "a");
  await test.things.insert("b", { name: "old" });
  const b = present(await test.things.get("b"));
  await assertRejects(() => test.things.replace(b, { name: "new" }), ServiceError, "taken");
});

Deno.test("Collection.replace() and remove() refuse a document that changed since it was read", async () => {
  await using test = await openCollection();
  const first = await test.things.insert("a", { n: 1 });
  await test.things.replace(first, { n: 2 });
  await assertRejects(() => test.things.replace(first, { n: 3 }), DocumentChanged);
  await assertRejects(() => test.things.remove(first), DocumentChanged);
  assertEquals((await test.things.get("a"))?.document, { n: 2 });
});

for (const sizeBytes of [59_000, 61_440, 61_500, 65_536, 130_000, 250_000]) {
  Deno.test(`Collection keeps a document of ${sizeBytes} bytes, larger and smaller ones after it, and none of its pieces`, async () => {
    await using test = await openCollection();
    const fill = (bytes: number) => ({ text: "ü".repeat(Math.floor(bytes / 2) - 10) });
    await test.things.insert("a", fill(sizeBytes));
    for (const next of [250_000, 10, 100_000, sizeBytes]) {
      const stored = present(await test.things.get("a"));
      await test.things.replace(stored, fill(Math.max(next, 40)));
      assertEquals((await test.things.get("a"))?.document, fill(Math.max(next, 40)));
    }
    const last = present(await test.things.get("a"));
    assertEquals((await keys(test.kv, ["chunk"])).length, last.pieces);
    await test.things.remove(last);
    assertEquals(await keys(test.kv, ["chunk"]), []);
    assertEquals(await keys(test.kv, ["doc"]), []);
  });
}

Deno.test("Collection never gives out a mixture of two writings of a large document", async () => {
  await using test = await openCollection();
  const make = (letter: string) => ({ text: letter.repeat(200_000) });
  let stored = await test.things.insert("a", make("a"));
  let isWriting = true;
  const writing = (async () => {
    for (let n = 0; n < 40; n++) stored = await test.things.replace(stored, make(n % 2 === 0 ? "b" : "a"));
    isWriting = false;
  })();
  let reads = 0;
  while (isWriting) {
    const text = String((await test.things.get("a"))?.document.text);
    assertEquals(text, text[0]?.repeat(200_000));
    reads++;
  }
  await writing;
  assert(reads > 0);
});

Deno.test("Collection refuses a document above its limit and stores nothing", async () => {
  await using test = await openCollection({ maxDocumentBytes: 100 });
  const error = await assertRejects(() => test.things.insert("a", { text: "x".repeat(100) }), ServiceError);
  assertEquals(error.code, "too_large");
  assertEquals(await keys(test.kv, []), [["identity"]]);
});

Deno.test("Collection writes one log entry for each change, in the order of the commits", async () => {
  await using test = await openCollection();
  const a = await test.things.insert("a", { n: 1 });
  await test.things.insert("b", { n: 1 });
  await test.things.remove(await test.things.replace(a, { n: 2 }));
  const log: unknown[] = [];
  for await (const { key, value, versionstamp } of test.kv.list({ prefix: ["log", "things"] })) {
    log.push(value);
    assertEquals(key[2], versionstamp);
  }
  assertEquals(log, [
    { ids: ["a"] },
    { ids: ["b"] },
    { ids: ["a"] },
    { ids: ["a"] },
  ]);
});

Deno.test("Collection commits what is alongside in the same commit, or nothing of either", async () => {
  await using test = await openCollection();
  const alongside = {
    checks: [{ key: ["beside"], versionstamp: null }],
    write: (operation: Deno.AtomicOperation) => void operation.set(["beside"], "here"),
  };
  const stored = await test.things.insert("a", { name: "A" }, alongside);
  assertEquals((await test.kv.get(["beside"])).versionstamp, stored.versionstamp);
  await assertRejects(() => test.things.insert("b", { name: "B" }, alongside), AlongsideChanged);
  assertEquals(await test.things.get("b"), undefined);
  assertEquals(await test.things.find({ field: "name", value: "B" }), undefined);
});
