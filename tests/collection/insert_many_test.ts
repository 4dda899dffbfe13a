import { assert, assertEquals } from "@std/assert";
import { commitGroups, type Insertion } from "../../src/collection/insert_many.ts";
import type { JsonObject } from "../../src/collection/json.ts";
import { ask, idOf, keys, openCollection, take } from "./fixture.ts";

const named = (n: number, name: string, more: JsonObject = {}) => ({
  id: idOf(n),
  document: { name, ...more },
});

function insertion(n: number, values: string[], sizeBytes = 100): Insertion {
  const unique = values.map((value) => ({ field: "name", value }));
  return { id: idOf(n), isNewId: true, next: { bytes: new Uint8Array(sizeBytes), unique } };
}

Deno.test("insertMany() adds the documents, in few commits, and they are seen at once", async () => {
  await using test = await openCollection();
  const documents = Array.from({ length: 250 }, (_, n) => named(n, `thing ${n}`));
  const outcomes = await test.things.insertMany(documents);
  assertEquals(outcomes, documents.map(() => undefined));
  const { values } = await take(test.things, ask({}), "name");
  assertEquals(values, documents.map(({ document }) => document.name));
  assertEquals((await keys(test.kv, ["log"])).length, 3);
  assertEquals((await test.things.find({ field: "name", value: "thing 249" }))?.id, idOf(249));
});

Deno.test("insertMany() refuses what is taken, and adds the rest", async () => {
  await using test = await openCollection();
  await test.things.insert(idOf(0), { name: "b" });
  const documents = ["a", "b", "c", "a"].map((name, n) => named(n + 1, name));
  const outcomes = await test.things.insertMany(documents);
  assertEquals(outcomes.map((error) => error?.code), [
    undefined,
    "already_exists",
    undefined,
    "already_exists",
  ]);
  assertEquals((await take(test.things, ask({}), "name")).values, ["b", "a", "c"]);
  assertEquals((await keys(test.kv, ["doc"])).length, 3);
});

Deno.test("insertMany() refuses a document that is too large, and adds the rest", async () => {
  await using test = await openCollection({ maxDocumentBytes: 1000 });
  const documents = [named(1, "a"), named(2, "b", { text: "x".repeat(1000) }), named(3, "c")];
  const outcomes = await test.things.insertMany(documents);
  assertEquals(outcomes.map((error) => error?.code), [undefined, "too_large", undefined]);
  assertEquals((await take(test.things, ask({}), "name")).values, ["a", "c"]);
});

Deno.test("insertMany() takes documents whose bytes or keys are too many for one commit", async () => {
  await using test = await openCollection();
  const large = Array.from({ length: 12 }, (_, n) => named(n, `l${n}`, { text: "x".repeat(200_000) }));
  assertEquals((await test.things.insertMany(large)).filter((error) => error), []);
  const longNames = Array.from({ length: 100 }, (_, n) => named(100 + n, `${n} ${"ü".repeat(500)}`));
  assertEquals((await test.things.insertMany(longNames)).filter((error) => error), []);
  const unsearchable = Array.from({ length: 100 }, (_, n) => named(200 + n, `${n} ${"ü".repeat(5000)}`));
  assertEquals((await test.things.insertMany(unsearchable)).filter((error) => error), []);
  assertEquals((await take(test.things, ask({}), "name")).values.length, 212);
  const stored = await test.things.get(idOf(11));
  assertEquals(stored?.document.text, "x".repeat(200_000));
});

Deno.test("insertMany() at the same time for the same values adds each once", async () => {
  await using test = await openCollection();
  const rounds = Array.from(
    { length: 5 },
    (_, round) =>
      test.things.insertMany(Array.from({ length: 150 }, (_, n) => named(round * 1000 + n, `thing ${n}`))),
  );
  const outcomes = (await Promise.all(rounds)).flat();
  assertEquals(outcomes.filter((error) => !error).length, 150);
  assert(outcomes.every((error) => !error || error.code === "already_exists"));
  const { values } = await take(test.things, ask({}), "name");
  assertEquals(new Set(values).size, 150);
  assertEquals(values.length, 150);
});

Deno.test("A commit whose first answer was lost is not taken for one of others", async () => {
  await using test = await openCollection();
  let isLost = true;
  const kv = new Proxy(test.kv, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (key !== "atomic") return typeof member === "function" ? member.bind(target) : member;
      return () => {
        const operation = target.atomic();
        const commit = operation.commit.bind(operation);
        operation.commit = async () => {
          const done = await commit();
          const again = isLost;
          isLost = false;
          // What Deno KV says to the same commit, sent again.
          return again ? { ok: false } : done;
        };
        return operation;
      };
    },
  });
  await using other = await openCollection({ kv, name: "others" });
  assertEquals(await other.things.insertMany([named(1, "a"), named(2, "b")]), [undefined, undefined]);
  assertEquals((await take(other.things, ask({}), "name")).values, ["a", "b"]);
});

Deno.test("commitGroups() keeps to the limits of a commit and to the order", () => {
  const sizes = (insertions: Insertion[]) => [...commitGroups(insertions)].map(({ length }) => length);
  const many = (count: number, valuesEach: number, sizeBytes?: number) =>
    Array.from(
      { length: count },
      (_, n) => insertion(n, Array.from({ length: valuesEach }, (_, value) => `${n} ${value}`), sizeBytes),
    );
  assertEquals(sizes(many(250, 1)), [100, 100, 50]);
  assertEquals(sizes(many(60, 2)), [50, 10]);
  assertEquals(sizes(many(7, 1, 256 * 1024)), [2, 2, 2, 1]);
  assertEquals(sizes([]), []);
  const groups = [...commitGroups(many(250, 1))].flat();
  assertEquals(groups.map(({ id }) => id), many(250, 1).map(({ id }) => id));
});

Deno.test("commitGroups() needs no check for a value that is the document's own id", () => {
  const own = Array.from({ length: 100 }, (_, n) => insertion(n, [idOf(n), `name ${n}`]));
  assertEquals([...commitGroups(own)].map(({ length }) => length), [100]);
});

Deno.test("commitGroups() keeps those apart that want the same value", () => {
  const same = [insertion(1, ["a"]), insertion(2, ["b"]), insertion(3, ["a"]), insertion(4, ["c"])];
  assertEquals([...commitGroups(same)].map((group) => group.map(({ id }) => id)), [
    [idOf(1), idOf(2)],
    [idOf(3), idOf(4)],
  ]);
});

Deno.test("insertMany() of what may be there already adds the rest and changes nothing of it, also at once", async () => {
  await using test = await openCollection();
  // Every other one has nothing but its id to tell it from others.
  const documents = Array.from(
    { length: 150 },
    (_, n) => n % 2 ? named(n, `thing ${n}`) : { id: idOf(n), document: { n } },
  );
  const again = { mayBeThere: true };
  const some = documents.filter((_, n) => n % 3 === 0);
  assertEquals((await test.things.insertMany(some, again)).filter((error) => error), []);
  const stored = await test.things.get(idOf(3));
  if (stored) await test.things.replace(stored, { name: "changed" });
  const both = await Promise.all([
    test.things.insertMany(documents, again),
    test.things.insertMany(documents, again),
  ]);
  assertEquals(both.flat().filter((error) => error), []);
  assertEquals((await keys(test.kv, ["doc"])).length, 150);
  assertEquals((await test.things.get(idOf(3)))?.document.name, "changed");
  const taken = await test.things.insertMany([named(200, "changed"), named(201, "new")], again);
  assertEquals(taken.map((error) => error?.code), ["already_exists", undefined]);
});
