/** Federated search with sources that are slow, broken or hostile: each costs its own results only. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { JsonObject } from "../../src/collection/json.ts";
import { assertStatus, at, listAt, send, textAt } from "./client.ts";
import {
  add,
  fakeAsset,
  federate,
  hanging,
  names,
  NDJSON,
  ndjson,
  search,
  sourceOf,
  startFakeDb,
  startRegistry,
  statuses,
} from "./federation_fixture.ts";
import { json, startTestServer } from "./harness.ts";
import { present } from "../present.ts";

/** Lets what hangs go before its server waits for it. */
function releasing(release: () => void): Disposable {
  return { [Symbol.dispose]: release };
}

Deno.test("A source that does not do as an Assets DB does is an error with a sentence, and the others' results stay", async () => {
  await using registry = await startRegistry();
  await using good = await startTestServer();
  await add(good, "good");
  const line = (asset: JsonObject) => `${JSON.stringify(asset)}\n`;
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  const bad: [RegExp, () => Response][] = [
    [/500/, () => new Response("no", { status: 500 })],
    [/503: The KV is away/, () => Response.json({ error: "The KV is away." }, { status: 503 })],
    [/307/, () => Response.redirect("http://169.254.169.254/", 307)],
    [/NDJSON/, () => Response.json({ success: true, data: [] })],
    [/NDJSON/, () => new Response("<html>", { headers: { "Content-Type": "text/html" } })],
    [/no asset/, () => new Response("not json\n", NDJSON)],
    [/no asset/, () => new Response("5\n", NDJSON)],
    [/no asset/, () => new Response(line({ asset_name: "without an id" }), NDJSON)],
    [/no asset/, () => new Response(line({ id: "x", asset_name: "without an owner" }), NDJSON)],
    // Many ids are remembered, so each must be short.
    [/no asset/, () => new Response(line({ id: "x".repeat(257), assets_db_id: "x" }), NDJSON)],
    [/no asset/, () => new Response(line({ id: "x", assets_db_id: "x".repeat(257) }), NDJSON)],
    [/no asset/, () => new Response("\0\xff\n", NDJSON)],
    [/too deep/, () => new Response(`{"id":"x","assets_db_id":"x","asset_metadata":${deep}}\n`, NDJSON)],
    [/order/, () => ndjson([fakeAsset(2), fakeAsset(1)])],
    [/order/, () => ndjson([fakeAsset(1), fakeAsset(1)])],
    [/too long/, () => new Response(line({ ...fakeAsset(1), asset_name: "x".repeat(3_000_000) }), NDJSON)],
    [/empty page/, () => new Response("", { headers: { ...NDJSON.headers, "X-Next-Cursor": "more" } })],
  ];
  await using stack = new AsyncDisposableStack();
  const fakes = bad.map(([, answer]) => stack.use(startFakeDb(answer)));
  await federate(registry, [good, ...fakes]);
  const answer = assertStatus(await search(registry, { asset_name: "good" }), 200);
  assert(names(answer).includes("good"));
  assertEquals(sourceOf(answer, "db-0").status, "ok");
  for (const [n, [error]] of bad.entries()) {
    const source = sourceOf(answer, `db-${n + 1}`);
    assertEquals(source.status, "error", String(error));
    assert(error.test(textAt(source, "error")), `${error}: ${source.error}`);
  }
});

Deno.test("An endless source is read as far as the answer needs it, and let go with it", async () => {
  await using registry = await startRegistry();
  let sent = 0;
  let wasLetGo = false;
  await using endless = startFakeDb(() => {
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        for (let n = 0; n < 100; n++) {
          controller.enqueue(encoder.encode(`${JSON.stringify(fakeAsset(sent++))}\n`));
        }
      },
      cancel() {
        wasLetGo = true;
      },
    });
    return new Response(body, NDJSON);
  });
  await federate(registry, [endless]);
  const page = assertStatus(await search(registry, {}, "?limit=10"), 200);
  assertEquals(names(page), Array.from({ length: 10 }, (_, n) => `fake-${n}`));
  const sentForPage = sent;
  // Without a limit the client decides: it goes away after a while.
  const response = await fetch(`${registry.url}/assets`, json("POST", {}));
  const reader = present(response.body).getReader();
  await reader.read();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const sentUnread = sent - sentForPage;
  assert(sentUnread < 200_000, `${sentUnread} documents read ahead`);
  wasLetGo = false;
  await reader.cancel();
  for (let tries = 0; tries < 200 && !wasLetGo; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert(wasLetGo, "its connection stayed open");
});

Deno.test("A client that takes nothing for --idle-timeout is given up, with its connections to the sources", async () => {
  await using registry = await startRegistry({ idleTimeout: "400ms" });
  let open = 0;
  await using endless = startFakeDb(() => {
    let n = 0;
    open++;
    const body = new ReadableStream<string>({
      pull: (controller) => controller.enqueue(`${JSON.stringify(fakeAsset(n++))}\n`),
      cancel: () => void open--,
    });
    return new Response(body.pipeThrough(new TextEncoderStream()), NDJSON);
  });
  await federate(registry, [endless]);
  const response = await fetch(`${registry.url}/assets`, json("POST", {}));
  const reader = present(response.body).getReader();
  await reader.read();
  assertEquals(open, 1);
  for (let tries = 0; tries < 300 && open > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(open, 0, "its connection stayed open");
  // What is on its way still arrives; then the answer has no end.
  await assertRejects(async () => {
    while (!(await reader.read()).done);
  });
});

Deno.test("A source whose pages end early is asked on, so that no document is left out", async () => {
  await using registry = await startRegistry();
  const all = Array.from({ length: 25 }, (_, n) => fakeAsset(n));
  const asked: string[] = [];
  await using short = startFakeDb((request) => {
    const { searchParams } = new URL(request.url);
    const cursor = searchParams.get("cursor") ?? "";
    asked.push(`${cursor} ${searchParams.get("limit")}`);
    const begin = Number(cursor);
    const page = ndjson(all.slice(begin, begin + 4));
    if (begin + 4 < all.length) page.headers.set("X-Next-Cursor", String(begin + 4));
    return page;
  });
  await using good = await startTestServer();
  await add(good, "good");
  await federate(registry, [short, good]);
  const answer = assertStatus(await search(registry, {}, "?limit=30"), 200);
  assertEquals(names(answer), [...all.map((asset) => String(asset.asset_name)), "good"]);
  assertEquals(asked.slice(0, 2), [" 31", "4 31"]);
});

Deno.test("A source that failed in one page has no part in those that follow, and a new search asks it again", async () => {
  await using registry = await startRegistry();
  await using a = await startTestServer();
  await using b = await startTestServer();
  let isUp = false;
  await using shaky = startFakeDb(() => isUp ? ndjson([fakeAsset(1)]) : new Response("no", { status: 500 }));
  for (let n = 0; n < 6; n++) await add(n % 2 ? a : b, `n${n}`);
  await federate(registry, [a, b, shaky]);
  const first = assertStatus(await search(registry, {}, "?limit=3"), 200);
  assertEquals([names(first), statuses(first)["db-2"]], [["n0", "n1", "n2"], "error"]);
  isUp = true;
  const second = await search(registry, {}, `?limit=3&cursor=${textAt(first.body, "next_cursor")}`);
  assertEquals([names(second), statuses(second)["db-2"]], [["n3", "n4", "n5"], "skipped"]);
  assert(textAt(sourceOf(second, "db-2"), "error").includes("earlier page"));
  assertEquals(second.body.next_cursor, null);
  const anew = await search(registry, {}, "?limit=3");
  assertEquals([names(anew), statuses(anew)["db-2"]], [["fake-1", "n0", "n1"], "ok"]);
});

Deno.test("--no-private-targets holds for searches too, and link-local addresses are never asked", async () => {
  let asked = 0;
  await using fake = startFakeDb(() => {
    asked++;
    return ndjson([]);
  });
  await using registry = await startRegistry();
  await federate(registry, [fake]);
  await registry.restart({ noPrivateTargets: "true" });
  const answer = assertStatus(await search(registry, {}), 200);
  assertEquals([statuses(answer)["db-0"], asked], ["error", 0]);
  assert(textAt(sourceOf(answer, "db-0"), "error").includes("--no-private-targets"));
});

Deno.test("--federation-timeout is how long a source is waited for", async () => {
  const released = Promise.withResolvers<void>();
  await using registry = await startRegistry({ federationTimeout: "200ms" });
  await using slow = startFakeDb(hanging(released.promise));
  using _stack = releasing(released.resolve);
  await federate(registry, [slow]);
  const startedAt = performance.now();
  const answer = assertStatus(await search(registry, {}), 200);
  const tookMs = performance.now() - startedAt;
  // Without the option it would be 3 s.
  assert(tookMs >= 190 && tookMs < 3000, `${tookMs}`);
  assertEquals(listAt(answer.body, "sources").map((source) => at(source, "error")), [
    "It did not answer within 0.2 s.",
  ]);
  // A slow search says nothing of its health.
  const health = await send(registry, "/asset_registry/db-0?include=health");
  assertEquals(at(health.body, "data.health.status"), "healthy");
});
