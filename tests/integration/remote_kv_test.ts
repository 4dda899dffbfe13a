/** The connection to a real KV server: deadlines, ghosts, and coming back. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type DenokvService, startDenokv } from "../../scripts/services/denokv.ts";
import { RemoteKv } from "../../src/kv/remote_kv.ts";
import { CommitUnknown } from "../../src/kv/unavailable.ts";
import { ServiceError } from "../../src/errors.ts";
import { HoldingProxy } from "./holding_proxy.ts";

/** A write is to be answered within 5 s, the rest of the request included. */
const MOST_MS = 4800;

Deno.test("a commit that arrives after it was given up is refused by the fence", async () => {
  await using server = await startDenokv();
  await using proxy = new HoldingProxy(new URL(server.url));
  using kv = await connect(server, proxy.url);
  await kv.set(["warm"], 1);

  proxy.hold();
  const startedAt = performance.now();
  const commit = assertRejects(() => kv.atomic().set(["ghost"], "late").commit(), CommitUnknown);
  await pause(500);
  proxy.seal();
  await commit;
  assert(performance.now() - startedAt < MOST_MS);
  await untilThere(kv);
  assert(proxy.heldBytes > 0, "the proxy holds the commit");
  await kv.set(["after"], 1);
  await proxy.deliver();
  await pause(500);

  assertEquals((await kv.get(["ghost"])).value, null);
  assertEquals((await kv.get(["after"])).value, 1);
});

Deno.test("a commit that was given up and arrives before the KV is back has happened", async () => {
  await using server = await startDenokv();
  await using proxy = new HoldingProxy(new URL(server.url));
  using kv = await connect(server, proxy.url);
  await kv.set(["warm"], 1);

  proxy.hold({ everything: true });
  const commit = assertRejects(() => kv.atomic().set(["ghost"], "early").commit(), CommitUnknown);
  await pause(500);
  proxy.seal();
  await commit;
  await proxy.deliver();
  await pause(500);
  proxy.passNew();
  await untilThere(kv);

  assertEquals((await kv.get(["ghost"])).value, "early");
});

Deno.test("while the KV is away, calls fail at once, and writes say that nothing happened", async () => {
  await using server = await startDenokv();
  using kv = await connect(server, server.url);
  await kv.set(["a"], 1);
  await server.kill();
  await assertRejects(() => kv.get(["a"]), ServiceError);

  const startedAt = performance.now();
  const error = await assertRejects(() => kv.atomic().set(["b"], 1).commit(), ServiceError);
  assert(performance.now() - startedAt < 100);
  assertEquals([error.code, error.details], ["unavailable", { may_have_happened: false }]);

  await server.restart();
  await untilThere(kv);
  assertEquals((await kv.get(["a"])).value, 1);
  assertEquals((await kv.get(["b"])).value, null);
});

Deno.test("a KV that hangs is given up within the deadline", async () => {
  await using server = await startDenokv();
  using kv = await connect(server, server.url);
  await kv.set(["a"], 1);
  server.pause();
  const startedAt = performance.now();
  await assertRejects(() => kv.set(["a"], 2), CommitUnknown);
  assert(performance.now() - startedAt < MOST_MS);
  server.resume();
  await untilThere(kv);
  await kv.set(["a"], 3);
  assertEquals((await kv.get(["a"])).value, 3);
});

Deno.test("a commit whose checks do not hold is refused, and one is done once whoever else writes the fence", async () => {
  await using server = await startDenokv();
  using kv = await connect(server, server.url);
  // A second start on the same data, as after a crash: its fence is newer.
  using later = await connect(server, server.url);
  const key = ["once"];
  const first = await kv.atomic().check({ key, versionstamp: null }).set(key, 1).commit();
  assert(first.ok);
  const second = await later.atomic().check({ key, versionstamp: null }).set(key, 2).commit();
  assertEquals(second.ok, false);
  assertEquals((await kv.get(key)).value, 1);
});

Deno.test("lists are whole and in order, page by page, forwards and backwards", async () => {
  await using server = await startDenokv();
  using kv = await connect(server, server.url);
  for (let n = 0; n < 25; n++) await kv.set(["n", n], n);
  const values = async (options: Deno.KvListOptions) =>
    (await Array.fromAsync(kv.list<number>({ prefix: ["n"] }, options))).map(({ value }) => value);
  const all = Array.from({ length: 25 }, (_, n) => n);
  assertEquals(await values({ batchSize: 10 }), all);
  assertEquals(await values({ batchSize: 10, reverse: true }), all.toReversed());
  assertEquals(await values({ batchSize: 5, limit: 12 }), all.slice(0, 12));
});

async function connect({ token }: DenokvService, url: string): Promise<RemoteKv> {
  const kv = new RemoteKv({ url, token, node: "test" });
  Deno.env.set("DENO_KV_ACCESS_TOKEN", token);
  await kv.ready(10_000);
  return kv;
}

async function untilThere(kv: RemoteKv): Promise<void> {
  for (let tries = 0; kv.upSince === Infinity; tries++) {
    assert(tries < 200, "the KV did not come back within 20 s");
    await pause(100);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
