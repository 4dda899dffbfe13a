/** One database for many nodes: three Assets DBs, one of them three replicas strong, on a real KV server and a real S3 service. */
import { assert, assertEquals } from "@std/assert";
import { v7 as uuidV7 } from "uuid";
import { jsonBytes } from "../../src/collection/large_value.ts";
import { Truth } from "../../src/collection/truth.ts";
import { RemoteKv } from "../../src/kv/remote_kv.ts";
import { assertError, assertStatus, at, listAt, query, send, textAt } from "../server/client.ts";
import { json, uploadForm } from "../server/harness.ts";
import { countOf, create, inParallel, percentile, startWorld, until, type World } from "./global_nodes.ts";
import { OutageLoad } from "./outage_load.ts";
import { seededBytes } from "./seeded_bytes.ts";

const ROUNDS = 1000;
const RACES_AT_ONCE = 4;

/** Others' changes are seen this soon, on a machine that does all of it at once. */
const MOST_LAG_MS = 2000;

const CHANGES_AWAY = 10_000;
/** Without a URI an asset needs no check, of which KV Connect servers take 10 in a commit. */
const CHANGES_PER_COMMIT = 100;

const AWAY_MS = 20_000;

/** A client has its answer after this long, whatever the KV does. */
const MOST_ANSWER_MS = 5000;

Deno.test("Three Assets DBs and two replicas share one KV", async (t) => {
  await using world = await startWorld();
  await t.step("each finds the others' assets, and sends for their bytes to the owner", () => finds(world));
  await t.step("only the owner changes an asset; others name its URL", () => refuses(world));
  await t.step(
    "replicas serve each other's files, and continue each other's uploads",
    () => replicates(world),
  );
  await t.step("of all nodes that want a URI one gets it, 1,000 times", () => races(world));
  await t.step("a node killed finds 10,000 changes when it is back", () => rejoins(world));
  await t.step(
    "the KV killed for 20 s under load costs no acknowledged write and doubles none",
    () => outage(world),
  );
});

async function finds({ a: [first], b, c }: World): Promise<void> {
  const bytes = "bytes of b";
  const form = uploadForm(bytes, { name: "Shared" });
  const made = assertStatus(await send(b, "/upload_asset", { method: "POST", body: form }), 201);
  const id = textAt(made.body, "asset_id");
  const uri = textAt(made.body, "asset_uri");
  for (const node of [first, c]) {
    const seen = assertStatus(await send(node, `/asset/${uri}`), 200);
    assertEquals(seen.body.data, made.body.data);
    await until("the filter finds it", async () => await countOf(node, { asset_name: "Shared" }) === 1);
    const file = assertStatus(await send(node, `/asset-object/${id}`), 307);
    const location = file.headers.get("Location") ?? "";
    assertEquals(location, textAt(made.body, "public_url"));
    assertEquals(await (await fetch(location)).text(), bytes);
  }
  assertError(
    await create(c, { asset_name: "Shared", asset_version: { version: "1.0", tag: "initial" } }),
    409,
    "already_exists",
  );
}

async function refuses({ a: [first], b }: World): Promise<void> {
  const path = "/asset/Shared:1.0-initial";
  const owner = `http://localhost:${new URL(b.url).port}`;
  for (const change of [json("PUT", { asset_tags: ["x"] }), { method: "DELETE" }]) {
    const refused = assertError(await send(first, path, change), 409, "not_owner");
    assertEquals(at(refused.body, "details.public_url"), owner);
    assert(textAt(refused.body, "error").includes(owner));
  }
  // The URL of its files is the one that the owner has now, everywhere.
  await b.restart({ publicUrl: "http://elsewhere.example/b" });
  const url = async () => textAt((await send(first, path)).body, "data.asset_public_url");
  await until(
    "the new URL is known",
    async () => (await url()).startsWith("http://elsewhere.example/b/asset-object/"),
  );
  const filter = { asset_public_url: { $regex: "^http://elsewhere" } };
  await until("filters know it", async () => await countOf(first, filter) === 1);
  await b.restart({ publicUrl: owner });
  await until("and the old one again", async () => (await url()).startsWith(owner));
}

async function replicates({ a: [first, second, third] }: World): Promise<void> {
  const form = uploadForm("from the first", { name: "Replicated" });
  const made = assertStatus(await send(first, "/upload_asset", { method: "POST", body: form }), 201);
  for (const node of [second, third]) {
    const file = assertStatus(await send(node, `/asset-object/${textAt(made.body, "asset_id")}`), 200);
    assertEquals(file.text, "from the first");
  }

  // More than two parts, each piece of it through another replica.
  const sizeBytes = 20 * 2 ** 20;
  const metadata = { asset_name: "Pieces", asset_version: { version: "1.0", tag: "initial" } };
  const encode = (text: string) => btoa(text);
  const begun = assertStatus(
    await send(first, "/uploads/", {
      method: "POST",
      headers: {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": String(sizeBytes),
        "Upload-Metadata": `filename ${encode("pieces.bin")},asset_metadata ${
          encode(JSON.stringify(metadata))
        }`,
      },
    }),
    201,
  );
  const path = new URL(begun.headers.get("Location") ?? "", `${first.url}/uploads/`).pathname;
  const pieces = [[second, 0, 9e6], [third, 9e6, 15e6], [first, 15e6, sizeBytes]] as const;
  for (const [node, start, end] of pieces) {
    const headers = {
      "Tus-Resumable": "1.0.0",
      "Upload-Offset": String(start),
      "Content-Type": "application/offset+octet-stream",
    };
    const body = seededBytes(7, start, end - start);
    const answer = assertStatus(await send(node, path, { method: "PATCH", headers, body }), 204);
    assertEquals(answer.headers.get("Upload-Offset"), String(end));
  }
  const done = assertStatus(
    await send(second, path, { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" } }),
    200,
  );
  const id = done.headers.get("Asset-Id") ?? "";
  const file = await fetch(`${third.url}/asset-object/${id}`);
  const got = new Uint8Array(await file.arrayBuffer());
  const digest = async (bytes: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  assertEquals(await digest(got), await digest(seededBytes(7, 0, sizeBytes)));
}

async function races({ all, a: [first], b }: World): Promise<void> {
  const lags: number[] = [];
  let isRacing = true;
  const measuring = (async () => {
    for (let n = 0; isRacing; n++) {
      assertStatus(await create(first, { asset_name: `lag ${n}`, asset_tags: ["lag"] }), 201);
      lags.push(
        await until(
          "the other node sees it",
          async () => await countOf(b, { asset_name: `lag ${n}` }) === 1,
          { everyMs: 5 },
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  await inParallel(ROUNDS, RACES_AT_ONCE, async (n) => {
    const asset = {
      asset_name: `race ${n}`,
      asset_version: { version: "1", tag: "r" },
      asset_tags: ["race"],
    };
    const statuses = (await Promise.all(all.map((node) => create(node, asset)))).map(({ status }) => status);
    assertEquals(statuses.toSorted(), [201, 409, 409, 409, 409], `round ${n}`);
  });
  isRacing = false;
  await measuring;
  for (const node of all) {
    await until(
      "all nodes have all races",
      async () => await countOf(node, { asset_tags: "race" }) === ROUNDS,
    );
  }
  const [p50, p99] = [percentile(lags, 0.5), percentile(lags, 0.99)];
  say(`lag under load: p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, ${lags.length} changes`);
  assert(p99 < MOST_LAG_MS, `lag p99 is ${p99} ms`);
}

async function rejoins({ c, b, denokv }: World): Promise<void> {
  // SIGKILL, while it is not there others change much.
  Deno.kill(c.pid, "SIGKILL");
  await c.ended;
  using kv = new RemoteKv({ url: denokv.url, token: denokv.token, node: "test" });
  await kv.ready(10_000);
  const truth = new Truth(kv, "assets");
  await inParallel(CHANGES_AWAY / CHANGES_PER_COMMIT, 4, async (batch) => {
    const changes = Array.from({ length: CHANGES_PER_COMMIT }, (_, n) => {
      const name = `away ${batch * CHANGES_PER_COMMIT + n}`;
      return { id: uuidV7(), isNewId: true, next: { bytes: jsonBytes(storedAsset(name)), unique: [] } };
    });
    assert(await truth.commit(changes));
  });
  const filter = { asset_tags: "away" };
  const lag = await until(
    "the node that stayed has them",
    async () => await countOf(b, filter) === CHANGES_AWAY,
  );
  const startedAt = performance.now();
  await c.restart();
  await until("the node that was away has them", async () => await countOf(c, filter) === CHANGES_AWAY);
  const back = performance.now() - startedAt;
  say(
    `10,000 changes: the node that stayed was ${lag.toFixed(0)} ms behind, the other had them ${
      back.toFixed(0)
    } ms after its start began`,
  );
}

function storedAsset(name: string) {
  return {
    asset_uri: "",
    asset_name: name,
    asset_id: "",
    assets_db_id: "b",
    asset_version: { version: "", tag: "" },
    asset_metadata: {},
    asset_public_url: "https://example.com/",
    asset_file_info: {},
    asset_tags: ["away"],
    _object: null,
  };
}

async function outage({ all, a: [first, second], b, c, denokv }: World): Promise<void> {
  const shared = { asset_name: "Shared" };
  await using load = new OutageLoad([first, second, b]);
  load.start();
  await pause(2000);
  await denokv.kill();
  const awayUntil = performance.now() + AWAY_MS;
  await until("it is said", async () => (await send(b, "/readyz")).status === 503);
  await c.restart();

  for (const node of [b, c]) {
    const name = node === b ? "b" : "c, started while the KV is away,";
    assertError(await create(node, { asset_name: "refused" }), 503, "unavailable");
    assertStatus(await send(node, "/health"), 503);
    assertEquals((await send(node, "/asset/Shared:1.0-initial")).status, 200, `${name} knows its assets`);
    assertEquals(await countOf(node, shared), 1);
  }
  const [asset] = listAt((await query(second, { asset_name: "Replicated" })).body, "data");
  assertEquals((await send(second, `/asset-object/${textAt(asset, "asset_id")}`)).text, "from the first");

  await pause(awayUntil - performance.now());
  await denokv.restart();
  const backAt = performance.now();
  for (const node of all) {
    await until("ready again", async () => (await send(node, "/readyz")).status === 200);
  }
  const recoveredMs = performance.now() - backAt;
  await pause(2000);
  await load.stop();
  say(`back ${recoveredMs.toFixed(0)} ms after the KV; ${load.summary()}`);

  assert(load.refusals > 0, "writes were refused");
  assert(load.longestMs < MOST_ANSWER_MS, `an answer took ${load.longestMs} ms`);
  assertEquals(load.malformed, []);
  for (const node of all) {
    await until(
      "all nodes have the same",
      async () =>
        await countOf(node, { asset_tags: "load" }) === await countOf(first, { asset_tags: "load" }),
    );
    await load.assertNoneLostNorDoubled(node);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

function say(text: string): void {
  // deno-lint-ignore no-console
  console.log(text);
}
