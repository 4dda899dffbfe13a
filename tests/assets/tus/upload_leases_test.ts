import { assert, assertEquals, assertRejects } from "@std/assert";
import { UploadLeases } from "../../../src/assets/tus/upload_leases.ts";
import { ServiceError } from "../../../src/errors.ts";

const LIFE_MS = 240;

/** Leases of several nodes on one KV. */
async function openNodes(...names: string[]) {
  const kv = await Deno.openKv(":memory:");
  const leases = names.map((node) => new UploadLeases({ kv, assetsDbId: "db", node, lifeMs: LIFE_MS }));
  return { kv, leases, [Symbol.dispose]: () => kv.close() };
}

function waiting(mostMs = 10_000) {
  return { mostMs, signal: new AbortController().signal };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("UploadLeases.take() waits until another node, which is asked to, has let go", async () => {
  using nodes = await openNodes("a", "b");
  const [a, b] = nodes.leases;
  const asked = Promise.withResolvers<void>();
  const giveBack = await a?.take("u", waiting(), asked.resolve);
  let isTaken = false;
  const taking = b?.take("u", waiting(), () => {}).then((release) => {
    isTaken = true;
    return release;
  });
  await asked.promise;
  await pause(2 * LIFE_MS);
  assert(!isTaken, "a lease that is renewed is taken away");
  await giveBack?.();
  await (await taking)?.();
  assertEquals((await nodes.kv.get(["tus-lease", "db", "u"])).value, null);
});

Deno.test("UploadLeases.take() throws locked when its turn does not come", async () => {
  using nodes = await openNodes("a", "b");
  const [a, b] = nodes.leases;
  const giveBack = await a?.take("u", waiting(), () => {});
  const error = await assertRejects(async () => await b?.take("u", waiting(LIFE_MS), () => {}), ServiceError);
  assertEquals([error.code, error.headers["Retry-After"]], ["locked", "1"]);
  await assertRejects(async () => await b?.idle("u", waiting(LIFE_MS)), ServiceError);
  await giveBack?.();
});

Deno.test("UploadLeases: a lease whose node is dead runs out once, and one of this node's last process at once", async () => {
  using nodes = await openNodes("a", "b");
  const [, b] = nodes.leases;
  const dead = { node: "a", holder: "dead", beat: 3, isWanted: false };
  await nodes.kv.set(["tus-lease", "db", "u"], dead);
  const startedAt = performance.now();
  await b?.idle("u", waiting());
  assert(performance.now() - startedAt >= LIFE_MS);
  const againAt = performance.now();
  await (await b?.take("u", waiting(), () => {}))?.();
  assert(performance.now() - againAt < LIFE_MS);

  await nodes.kv.set(["tus-lease", "db", "u"], { ...dead, node: "b" });
  const ownAt = performance.now();
  await (await b?.take("u", waiting(), () => {}))?.();
  assert(performance.now() - ownAt < LIFE_MS);
});

Deno.test("UploadLeases: of many nodes one has a lease at a time", async () => {
  using nodes = await openNodes(...Array.from({ length: 6 }, (_, n) => `node-${n}`));
  let holders = 0;
  await Promise.all(nodes.leases.map(async (leases) => {
    for (let n = 0; n < 3; n++) {
      const giveBack = await leases.take("u", waiting(), () => {});
      assertEquals(++holders, 1);
      await pause(5);
      holders--;
      await giveBack();
    }
  }));
});

Deno.test("UploadLeases: who cannot keep a lease is told before another may take it", async () => {
  using nodes = await openNodes("a");
  const told = Promise.withResolvers<void>();
  const giveBack = await nodes.leases[0]?.take("u", waiting(), told.resolve);
  await nodes.kv.set(["tus-lease", "db", "u"], { node: "b", holder: "b", beat: 0, isWanted: false });
  await told.promise;
  await giveBack?.();
  assert((await nodes.kv.get(["tus-lease", "db", "u"])).value !== null, "another's lease is given back");
});
