/** A write whose commit is held back on its way, as a client sees it. */
import { assert, assertEquals } from "@std/assert";
import { startDenokv } from "../../scripts/services/denokv.ts";
import { assertError, assertStatus, at, filesBelow, send, textAt } from "../server/client.ts";
import { json, startTestServer, uploadForm } from "../server/harness.ts";
import { countOf, create, until } from "./global_nodes.ts";
import { HoldingProxy } from "./holding_proxy.ts";

Deno.test("A write in doubt that is repeated with its key is done once, and its ghost does nothing", async () => {
  await using denokv = await startDenokv();
  Deno.env.set("DENO_KV_ACCESS_TOKEN", denokv.token);
  await using proxy = new HoldingProxy(new URL(denokv.url));
  await using server = await startTestServer({ db: proxy.url });
  const asset = { asset_name: "G" };
  const isReady = async () => (await send(server, "/readyz")).status === 200;
  await until("ready", isReady);

  const holding = holdTheNextCommit(proxy);
  const doubtful = assertError(await create(server, asset, "the key"), 503, "unavailable");
  await holding;
  assertEquals(at(doubtful.body, "details.may_have_happened"), true);
  await until("ready again", isReady);
  const done = assertStatus(await create(server, asset, "the key"), 201);
  await proxy.deliver();
  await pause(1000);

  assertEquals(await countOf(server, asset), 1);
  const again = assertStatus(await create(server, asset, "the key"), 201);
  assertEquals(textAt(again.body, "data.id"), textAt(done.body, "data.id"));
});

// The one of these that the fence alone makes come out right: without it two assets are there.
Deno.test("A write in doubt without a key that its client has looked for and done anew is not doubled by its ghost", async () => {
  await using denokv = await startDenokv();
  Deno.env.set("DENO_KV_ACCESS_TOKEN", denokv.token);
  await using proxy = new HoldingProxy(new URL(denokv.url));
  await using server = await startTestServer({ db: proxy.url });
  const asset = { asset_name: "N" };
  const isReady = async () => (await send(server, "/readyz")).status === 200;
  await until("ready", isReady);

  const holding = holdTheNextCommit(proxy);
  const doubtful = assertError(await create(server, asset), 503, "unavailable");
  await holding;
  assertEquals(at(doubtful.body, "details.may_have_happened"), true);
  await until("ready again", isReady);
  assertEquals(await countOf(server, asset), 0);
  assertStatus(await create(server, asset), 201);
  assert(proxy.heldBytes > 0, "the ghost is on its way");
  await proxy.deliver();
  await pause(1500);
  assertEquals(await countOf(server, asset), 1);

  // That it was delivered, and refused, shows in that the KV goes on.
  assertStatus(await create(server, asset), 201);
  assertEquals(await countOf(server, asset), 2);
});

Deno.test("A PUT in doubt does not come through after a later one", async () => {
  await using denokv = await startDenokv();
  Deno.env.set("DENO_KV_ACCESS_TOKEN", denokv.token);
  await using proxy = new HoldingProxy(new URL(denokv.url));
  await using server = await startTestServer({ db: proxy.url });
  const { body } = assertStatus(await create(server, { asset_name: "P" }), 201);
  const path = `/asset/${textAt(body, "data.id")}`;
  const put = (n: number) => send(server, path, json("PUT", { "asset_metadata.n": n }));

  const holding = holdTheNextCommit(proxy);
  assertError(await put(1), 503, "unavailable");
  await holding;
  await until("ready again", async () => (await send(server, "/readyz")).status === 200);
  assertStatus(await put(2), 200);
  await proxy.deliver();
  await pause(1000);
  assertEquals(at((await send(server, path)).body, "data.asset_metadata.n"), 2);
});

Deno.test("The file of an upload in doubt stays for as long as its commit may come through", async () => {
  await using denokv = await startDenokv();
  Deno.env.set("DENO_KV_ACCESS_TOKEN", denokv.token);
  await using proxy = new HoldingProxy(new URL(denokv.url));
  await using server = await startTestServer({ db: proxy.url });
  proxy.hold({ everything: true });
  const form = uploadForm("bytes", { name: "U" });
  assertError(await send(server, "/upload_asset", { method: "POST", body: form }), 503, "unavailable");
  proxy.seal();
  await proxy.deliver();
  proxy.passNew();
  await until("ready again", async () => (await send(server, "/readyz")).status === 200);
  const there = await countOf(server, { asset_name: "U" });
  assertEquals((await filesBelow(`${server.dataDir}/objects`)).length, there);
});

/** Lets reads pass and holds the next commit with conditions; what the client says when it gives up is lost. */
async function holdTheNextCommit(proxy: HoldingProxy): Promise<void> {
  // Such a commit leaves a mark (`kv/connection.ts`), whose key is in its bytes as it is.
  proxy.holdFrom("committed");
  while (proxy.heldBytes === 0) await pause(10);
  await pause(300);
  proxy.seal();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
