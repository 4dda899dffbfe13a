import { assertEquals } from "@std/assert";
import { type CachedRow, RowCache } from "../../src/collection/view/row_cache.ts";
import { present } from "../present.ts";
import { idOf, openCollection } from "./fixture.ts";

function row(id: string, units = 10): CachedRow {
  const text = "x".repeat(units);
  return { id, versionstamp: "1", hidden: null, json: text, text };
}

Deno.test("RowCache forgets a document under everything that it was asked for by", () => {
  const cache = new RowCache();
  cache.set("a", row("a"));
  cache.set("name\0A", row("a"));
  cache.set("b", row("b"));
  cache.forget("a");
  assertEquals([cache.get("a"), cache.get("name\0A"), cache.get("b")?.id], [undefined, undefined, "b"]);
});

Deno.test("RowCache keeps 8 Mi units of text, the youngest, and no large document", () => {
  const cache = new RowCache();
  cache.set("large", row("large", 64 * 1024 + 1));
  assertEquals(cache.get("large"), undefined);
  for (let n = 0; n < 200; n++) cache.set(idOf(n), row(idOf(n), 64 * 1024));
  const kept = Array.from({ length: 200 }, (_, n) => cache.get(idOf(n)) !== undefined);
  assertEquals(kept.filter(Boolean).length, 128);
  assertEquals(kept.lastIndexOf(false), 71);
});

Deno.test("Collection.see() shows each change, rename and removal at once, whatever was read before", async () => {
  await using test = await openCollection();
  let stored = await test.things.insert("a", { name: "one", n: 0 });
  for (let n = 1; n < 20; n++) {
    assertEquals((await test.things.see("a"))?.text, JSON.stringify(stored.document));
    stored = await test.things.replace(present(await test.things.get("a")), { name: `one ${n}`, n });
    assertEquals(await test.things.see({ field: "name", value: `one ${n - 1}` }), undefined);
    assertEquals((await test.things.see({ field: "name", value: `one ${n}` }))?.id, "a");
  }
  await test.things.remove(stored);
  assertEquals(await test.things.see("a"), undefined);
  assertEquals((await test.things.insert("b", { name: "one 19" })).id, "b");
  assertEquals((await test.things.see({ field: "name", value: "one 19" }))?.id, "b");
});
