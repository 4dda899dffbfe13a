import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Collection } from "../../src/collection/collection.ts";
import type { Json, JsonObject } from "../../src/collection/json.ts";
import { ServiceError } from "../../src/errors.ts";
import { present } from "../present.ts";
import { ask, idOf, openCollection, take } from "./fixture.ts";

async function fill(things: Collection, documents: JsonObject[]): Promise<void> {
  const outcomes = await things.insertMany(documents.map((document, n) => ({ id: idOf(n), document })));
  assertEquals(outcomes, documents.map(() => undefined));
}

function numbers(count: number): JsonObject[] {
  return Array.from({ length: count }, (_, n) => ({ n, third: n % 3, name: `thing ${n}` }));
}

/** Turns pages until the last. */
async function allPages(
  things: Collection,
  filter: JsonObject,
  limit: number,
  sortBy?: string,
): Promise<Json[]> {
  const values: Json[] = [];
  let cursor: string | undefined;
  do {
    const page = await take(things, ask(filter, { limit, cursor, sortBy }), "n");
    assert(page.values.length <= limit);
    values.push(...page.values);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return values;
}

Deno.test("Collection.query() gives every match, oldest first", async () => {
  await using test = await openCollection();
  await fill(test.things, numbers(1200));
  const { values, cursor } = await take(test.things, ask({ third: 0 }), "n");
  assertEquals(values, Array.from({ length: 400 }, (_, n) => 3 * n));
  assertEquals(cursor, undefined);
});

Deno.test("Collection.query() counts every match, whatever the limit", async () => {
  await using test = await openCollection();
  await fill(test.things, numbers(100));
  assertEquals(await test.things.query(ask({ third: 1 }, { limit: 2 })).count(), 33);
});

for (const sortBy of [undefined, "third", "-third,n", "name", "-n", "missing"]) {
  for (const limit of [1, 7, 50, 51]) {
    Deno.test(`Collection.query() pages of ${limit} are the whole answer, sorted by ${sortBy ?? "age"}`, async () => {
      await using test = await openCollection();
      await fill(test.things, numbers(50));
      const whole = await take(test.things, ask({}, { sortBy }), "n");
      assertEquals(whole.values.length, 50);
      assertEquals(await allPages(test.things, {}, limit, sortBy), whole.values);
    });
  }
}

Deno.test("Collection.query() sorts mixed types as BSON does, ties by age, and pages over an empty array", async () => {
  await using test = await openCollection();
  const values: Json[] = ["b", 2, null, { a: 1 }, true, [], "a", 1, [3, 0], false, "b"];
  await fill(test.things, [...values.map((v, n) => ({ n, v })), { n: values.length }]);
  const expected = [5, 2, 11, 8, 7, 1, 6, 0, 10, 3, 9, 4];
  assertEquals((await take(test.things, ask({}, { sortBy: "v" }), "n")).values, expected);
  assertEquals(await allPages(test.things, {}, 1, "v"), expected);
});

Deno.test("Collection.query() pages stay complete and without doubles while others write", async () => {
  await using test = await openCollection();
  await fill(test.things, numbers(100));
  for (const sortBy of [undefined, "-n"]) {
    const seen: Json[] = [];
    let cursor: string | undefined;
    let next = 1000;
    do {
      const page = await take(test.things, ask({ n: { $lt: 100 } }, { limit: 10, cursor, sortBy }), "n");
      seen.push(...page.values);
      cursor = page.cursor;
      await test.things.insert(`id-new-${sortBy}-${next}`, { n: next++ });
      // One that was given already goes: the rest must not move.
      const given = await test.things.get(idOf(Number(page.values[0])));
      if (given) await test.things.replace(given, { ...given.document, touched: true });
    } while (cursor !== undefined);
    assertEquals(seen.length, 100);
    assertEquals(new Set(seen).size, 100);
  }
});

Deno.test("Collection.query() leads on when everything of a sorted page was deleted meanwhile", async () => {
  await using test = await openCollection();
  await fill(test.things, numbers(6));
  const result = test.things.query(ask({}, { sortBy: "n", limit: 2 }));
  const given: Json[] = [];
  for await (const { document } of result.matches) {
    given.push(document.n ?? null);
    if (given.length > 1) continue;
    for (const n of [0, 1]) await test.things.remove(present(await test.things.get(idOf(n))));
  }
  const cursor = present(result.nextCursor());
  const { values } = await take(test.things, ask({}, { sortBy: "n", cursor }), "n");
  assertEquals([...given, ...values].filter((n) => n !== 1), [0, 2, 3, 4, 5]);
});

Deno.test("Collection.query() refuses what is no cursor, and one of another sort", async () => {
  await using test = await openCollection();
  await fill(test.things, numbers(5));
  const { cursor } = await take(test.things, ask({}, { limit: 2, sortBy: "n" }), "n");
  assert(cursor);
  for (const wrong of ["", "x", "!!", "bnVsbA", "WzFd", "WyJhIiwiIiwxXQ"]) {
    const error = assertThrows(() => test.things.query(ask({}, { cursor: wrong })), ServiceError);
    assertEquals(error.code, "invalid_request");
  }
  assertThrows(() => test.things.query(ask({}, { cursor })), ServiceError, "sort=n");
  assertThrows(() => test.things.query(ask({}, { cursor, sortBy: "-n" })), ServiceError, "sort=n");
});

for (const [name, operator, expected] of [["all", "$all", []], ["any", "$in", [0, 1]]] as const) {
  Deno.test(`Collection.query() leaves the main thread free while it looks for ${name} of thousands of values`, async () => {
    await using test = await openCollection();
    await fill(test.things, [{ n: 0, tags: ["1", "2"] }, { n: 1, tags: ["7"] }]);
    const wanted = Array.from({ length: 3000 }, (_, n) => String(n));
    const query = test.things.query(ask({ tags: { [operator]: wanted } }));
    // It is not even planned here.
    assertEquals(query.explain().leads, "");
    const values: Json[] = [];
    for await (const { document } of query.matches) values.push(present(document.n));
    assertEquals(values, [...expected]);
    assertEquals(query.explain().ran_on, "query thread");
  });
}

Deno.test("Collection.query() asks SQL about few of many conditions, and tries the documents on the rest", async () => {
  await using test = await openCollection();
  const fields = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`f${n}`, 1]));
  await fill(test.things, [{ n: 0, ...fields }, { n: 1, ...fields, f149: 2 }]);
  const query = test.things.query(ask(fields));
  const values: Json[] = [];
  for await (const { document } of query.matches) values.push(present(document.n));
  assertEquals(values, [0]);
  assertEquals(query.explain().exact, false);
});

Deno.test("Collection.query() takes a filter with more conditions than SQLite does", async () => {
  await using test = await openCollection();
  await fill(test.things, [{ n: 0 }, { n: 1, f1499: 1 }]);
  const missing = Object.fromEntries(Array.from({ length: 1500 }, (_, n) => [`f${n}`, null]));
  assertEquals((await take(test.things, ask(missing), "n")).values, [0]);
});

Deno.test("Collection.query() ends with timeout when the search takes too long, not when its reader does", async () => {
  await using test = await openCollection();
  await fill(test.things, numbers(50).map((one) => ({ ...one, text: "ab".repeat(20_000) })));
  // Some 20 ms for each document: the index knows only how a long text begins.
  const slow = { text: { $regex: "(a|b|ab)*(ba|ab)*c|ab$" } };
  const error = await assertRejects(
    () => take(test.things, ask(slow, { timeoutMs: 20 }), "n"),
    ServiceError,
  );
  assertEquals(error.code, "timeout");
  let read = 0;
  for await (const _match of test.things.query(ask(slow, { timeoutMs: 20_000 })).matches) {
    read++;
    if (read <= 2) await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  assertEquals(read, 50);
});

Deno.test("Collection.query() filters and answers what show makes of a document", async () => {
  await using test = await openCollection({
    show: (document) => ({ document: { ...document, shown: `<${document.n}>` } }),
  });
  await fill(test.things, numbers(3));
  assertEquals((await take(test.things, ask({ shown: "<1>" }), "shown")).values, ["<1>"]);
});

Deno.test("Collection.query() turns pages sorted by values that are too long for a cursor, while the document is there", async () => {
  await using test = await openCollection();
  await fill(test.things, [{ n: 0, text: "a".repeat(5000) }, { n: 1, text: "b".repeat(5000) }, { n: 2 }]);
  assertEquals(await allPages(test.things, {}, 1, "-text"), [1, 0, 2]);
  const { cursor } = await take(test.things, ask({}, { sortBy: "-text", limit: 1 }), "n");
  assert(cursor !== undefined && cursor.length < 200);
  await test.things.remove(present(await test.things.get(idOf(1))));
  const error = await assertRejects(
    () => take(test.things, ask({}, { sortBy: "-text", limit: 1, cursor }), "n"),
    ServiceError,
    "not here",
  );
  assertEquals(error.code, "invalid_request");
});

Deno.test("Collection.query() refuses a long query beyond 64 that are under way, and takes the next when one has ended", async () => {
  await using test = await openCollection();
  const { things } = test;
  await things.insertMany(Array.from({ length: 2500 }, (_, n) => ({ id: idOf(n), document: { n } })));
  const begin = () => things.query(ask({})).matches[Symbol.asyncIterator]();
  const held = Array.from({ length: 64 }, begin);
  for (const one of held) assertEquals((await one.next()).done, false);
  const error = await assertRejects(() => begin().next(), ServiceError, "64 long queries");
  assertEquals(error.code, "unavailable");
  await held[0]?.return?.();
  const next = begin();
  assertEquals((await next.next()).done, false);
  for (const one of [...held, next]) await one.return?.();
});
