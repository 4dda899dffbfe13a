import { assertEquals, assertRejects } from "@std/assert";
import { runOnce } from "../../src/collection/idempotency.ts";
import { ServiceError } from "../../src/errors.ts";
import { keys, openCollection } from "./fixture.ts";

const ONCE = { key: "k", fingerprint: () => "POST /x" };

Deno.test("runOnce() makes a change once and gives its outcome again", async () => {
  await using test = await openCollection();
  const run = (id: string) =>
    runOnce(test.kv, ONCE, async (record) => {
      await test.things.insert(id, { id }, await record({ id }));
      return { id };
    });
  assertEquals(await run("a"), { id: "a" });
  assertEquals(await run("b"), { id: "a" });
  assertEquals(await test.things.get("b"), undefined);
});

Deno.test("runOnce() lets one of many that run at once make the change", async () => {
  await using test = await openCollection();
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      runOnce(test.kv, ONCE, async (record) => {
        const id = `id-${n}`;
        await test.things.insert(id, { name: `name ${n}` }, await record({ id }));
        return { id };
      })),
  );
  assertEquals(new Set(outcomes.map(({ id }) => id)).size, 1);
  assertEquals((await keys(test.kv, ["doc"])).length, 1);
});

Deno.test("runOnce() prefers the outcome over what the change itself would meet", async () => {
  await using test = await openCollection();
  const insert = () =>
    runOnce(test.kv, ONCE, async (record) => {
      await test.things.insert(crypto.randomUUID(), { name: "unique" }, await record({ done: true }));
      return { done: true };
    });
  assertEquals(await Promise.all([insert(), insert()]), [{ done: true }, { done: true }]);
});

Deno.test("runOnce() refuses a key that was used for another request", async () => {
  await using test = await openCollection();
  const run = (fingerprint: string) =>
    runOnce(test.kv, { key: "k", fingerprint: () => fingerprint }, async (record) => {
      await test.things.insert(fingerprint, {}, await record({}));
      return {};
    });
  await run("one");
  const error = await assertRejects(() => run("two"), ServiceError);
  assertEquals(error.code, "invalid_request");
  assertEquals(await test.things.get("two"), undefined);
});

Deno.test("runOnce() remembers nothing of a change that failed", async () => {
  await using test = await openCollection();
  await assertRejects(() =>
    runOnce(test.kv, ONCE, () => Promise.reject(new ServiceError("not_found", "Gone.")))
  );
  assertEquals(await keys(test.kv, []), [["identity"]]);
});

Deno.test("runOnce() keeps an outcome larger than one value", async () => {
  await using test = await openCollection();
  const outcome = { text: "x".repeat(200_000) };
  const run = () =>
    runOnce(test.kv, ONCE, async (record) => {
      await test.things.insert("a", outcome, await record(outcome));
      return outcome;
    });
  assertEquals(await run(), outcome);
  assertEquals(await run(), outcome);
});
