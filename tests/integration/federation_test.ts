import { assert, assertEquals } from "@std/assert";
import { assertStatus } from "../server/client.ts";
import {
  add,
  fakeAsset,
  federate,
  hanging,
  names,
  ndjson,
  search,
  sourceOf,
  startFakeDb,
  startRegistry,
  statuses,
  trickle,
} from "../server/federation_fixture.ts";
import { startTestServer, type TestServer } from "../server/harness.ts";

/** How long a source is waited for, by default. */
const TIMEOUT_MS = 3000;

Deno.test("50 Assets DBs, 5 dead, 5 slow: the answer comes within the time-out plus 20 %, complete for the healthy ones", async () => {
  const released = Promise.withResolvers<void>();
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(await startRegistry({ federationTimeout: `${TIMEOUT_MS}ms` }));
  const healthy: TestServer[] = [];
  for (let n = 0; n < 40; n++) healthy.push(stack.use(await startTestServer()));
  await Promise.all(healthy.map(async (server, n) => {
    for (let m = 0; m < 5; m++) await add(server, `asset-${n}-${m}`);
  }));
  const slow = [
    startFakeDb(hanging(released.promise)),
    startFakeDb(() => trickle([`${JSON.stringify(fakeAsset(0))}\n`], 0)),
    startFakeDb(() => trickle(JSON.stringify(fakeAsset(1)), 100)),
    startFakeDb(() =>
      trickle(Array.from({ length: 1000 }, (_, n) => `${JSON.stringify(fakeAsset(n, "same"))}\n`), 100)
    ),
    startFakeDb(() => trickle([], 0)),
  ];
  for (const one of slow) stack.use(one);
  stack.defer(() => released.resolve());
  const dead = Array.from({ length: 5 }, () => startFakeDb(() => ndjson([])));
  await federate(registry, [...healthy, ...slow, ...dead]);
  for (const one of dead) await one[Symbol.asyncDispose]();
  for (const options of ["", "?sort=asset_name&limit=1000", "?count=only"]) {
    const startedAt = performance.now();
    const answer = assertStatus(await search(registry, {}, options), 200);
    const tookMs = performance.now() - startedAt;
    assert(tookMs < 1.2 * TIMEOUT_MS, `${options}: ${tookMs} ms`);
    const status = Object.values(statuses(answer));
    assertEquals(status.slice(0, 40), new Array(40).fill("ok"), options);
    assertEquals(status.slice(40), [...new Array(5).fill("timeout"), ...new Array(5).fill("error")], options);
    for (let n = 0; n < 40; n++) assertEquals(sourceOf(answer, `db-${n}`).count, 5, `${options} ${n}`);
    if (options === "?count=only") continue;
    const real = names(answer).filter((name) => name.startsWith("asset-"));
    assertEquals([real.length, new Set(real).size], [200, 200], options);
  }
});
