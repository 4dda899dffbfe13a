/** The typed client against real servers: each function does what its route does. */
import { assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { AssetsClient, RegistryClient } from "../../src/client/client.ts";
import { assertLeft, at } from "../server/client.ts";
import { startTestServer } from "../server/harness.ts";

function client({ url }: { url: string }): AssetsClient {
  return new AssetsClient({ server: url });
}

Deno.test("AssetsClient creates, reads, changes, conditionally, and deletes an asset", async () => {
  await using server = await startTestServer();
  const assets = client(server);
  const { id, asset } = await assets.createAsset({
    asset_name: "a",
    asset_version: { version: "1", tag: "x" },
  });
  assertEquals([id !== "", asset.asset_uri], [true, "a:1-x"]);
  const read = await assets.asset("a:1-x");
  const updated = await assets.updateAsset("a:1-x", { "asset_metadata.n": 1 }, { ifMatch: read.etag });
  assertEquals(updated.asset_metadata, { n: 1 });
  const stale = await assets.updateAsset("a:1-x", {}, { ifMatch: read.etag }).catch((error) => error.code);
  assertEquals(stale, "precondition_failed");
  await assets.deleteAsset("a:1-x");
  assertEquals(await assets.countAssets({}), 0);
});

Deno.test("AssetsClient creates once with an idempotency key", async () => {
  await using server = await startTestServer();
  const once = { idempotencyKey: "k" };
  const { id } = await client(server).createAsset({ asset_name: "a" }, once);
  assertEquals((await client(server).createAsset({ asset_name: "a" }, once)).id, id);
});

Deno.test("AssetsClient uploads a file by a form, and gives it back", async () => {
  await using server = await startTestServer();
  const metadata = { asset_name: "a", asset_version: { version: "1", tag: "x" } };
  const { asset } = await client(server).uploadAsset(
    new File(["hello"], "h.txt", { type: "text/plain" }),
    metadata,
  );
  assertEquals([asset.asset_file_info.file_name, asset.asset_file_info.file_size], ["h.txt", 5]);
  const { body, etag } = await client(server).object(asset.asset_id);
  assertEquals(await new Response(body).text(), "hello");
  assertEquals((await client(server).objectHeaders(asset.asset_id)).get("ETag"), etag);
});

Deno.test("AssetsClient uploads in pieces, and knows where an upload stands", async () => {
  await using server = await startTestServer();
  const { uploads } = client(server);
  const metadata = { asset_name: "ä/b", asset_version: { version: "1", tag: "x" } };
  const { id, offset } = await uploads.create({ sizeBytes: 10, fileName: "f", metadata });
  assertEquals(offset, 0);
  assertEquals(await uploads.append(id, 0, new Blob(["01234"])), { offset: 5, asset: undefined });
  assertEquals(await uploads.state(id), { offset: 5, asset: undefined });
  const mismatch = await uploads.append(id, 3, new Blob(["x"])).catch((error) => error.code);
  assertEquals(mismatch, "offset_mismatch");
  const { asset } = await uploads.append(id, 5, new Blob(["56789"]));
  assertEquals(asset?.uri, "ä/b:1-x");
  assertEquals((await uploads.state(id)).asset, asset);
});

Deno.test("AssetsClient makes an asset of an empty upload at once, refuses a wrong checksum, and discards", async () => {
  await using server = await startTestServer();
  const { uploads } = client(server);
  const version = { asset_version: { version: "1", tag: "x" } };
  const empty = await uploads.create({
    sizeBytes: 0,
    fileName: "f",
    metadata: { asset_name: "e", ...version },
  });
  assertEquals(empty.asset?.uri, "e:1-x");
  const sha256 = createHash("sha256").update("right").digest("hex");
  const stated = { asset_name: "s", ...version, asset_file_info: { sha256 } };
  const { id } = await uploads.create({ sizeBytes: 5, fileName: "f", metadata: stated });
  assertEquals(
    await uploads.append(id, 0, new Blob(["wrong"])).catch((error) => error.code),
    "checksum_mismatch",
  );
  const other = await uploads.create({
    sizeBytes: 5,
    fileName: "f",
    metadata: { asset_name: "o", ...version },
  });
  await uploads.discard(other.id);
  assertEquals(await uploads.state(other.id).catch((error) => error.code), "not_found");
});

Deno.test("AssetsClient pages through what a filter finds, and streams it", async () => {
  await using server = await startTestServer();
  const assets = client(server);
  for (const asset_name of ["a", "b", "c"]) await assets.createAsset({ asset_name });
  const options = { limit: 2, sort: "-asset_name", fields: "asset_name" };
  const first = await assets.assets({}, options);
  assertEquals(first.data, [{ asset_name: "c" }, { asset_name: "b" }]);
  const second = await assets.assets({}, { ...options, cursor: first.nextCursor });
  assertEquals([second.data, second.nextCursor], [[{ asset_name: "a" }], undefined]);
  const streamed = await Array.fromAsync(
    assets.assetStream({ asset_name: { $ne: "b" } }, { includeId: true }),
  );
  assertEquals(streamed.map((asset) => asset.asset_name), ["a", "c"]);
  assertEquals(streamed.every(({ id }) => typeof id === "string"), true);
});

Deno.test("RegistryClient keeps entries, and has them checked", async () => {
  await using registry = await startTestServer({ mode: "registry" });
  await using server = await startTestServer();
  const entries = new RegistryClient({ server: registry.url });
  const input = {
    asset_registry_id: "lab",
    asset_registry_name: "Lab",
    asset_registry_public_url: server.url,
  };
  assertEquals(await entries.createEntry(input), "lab");
  await entries.updateEntry("lab", { "asset_registry_metadata.floor": 3 });
  assertEquals((await entries.entry("lab")).asset_registry_metadata, { floor: 3 });
  assertEquals((await entries.entries({}, { limit: 5 })).data.length, 1);
  assertEquals(await entries.countEntries({ "asset_registry_metadata.floor": 3 }), 1);
  assertEquals((await Array.fromAsync(entries.entryStream({}))).length, 1);
  assertEquals((await entries.checkHealth("lab")).health.status, "healthy");
  await entries.deleteEntry("lab");
  assertEquals(await entries.countEntries({}), 0);
});

Deno.test("Both clients ask for health", async () => {
  await using server = await startTestServer();
  const { isHealthy, said } = await client(server).health();
  assertEquals([isHealthy, at(said, "message")], [true, "healthy"]);
});

Deno.test("uploadStream() sends a file as it comes, and one that fails on the way makes nothing", async () => {
  await using server = await startTestServer();
  const assets = new AssetsClient({ server: server.url });
  async function* bytes(failure?: Error) {
    for (let part = 0; part < 20; part++) yield new Uint8Array(100_000).fill(part);
    if (failure) throw failure;
  }
  const file = { name: 'a "b"\n名.bin', type: "application/x-model" };
  const metadata = (name: string) => ({ asset_name: name, asset_version: { version: "1", tag: "x" } });
  const { asset } = await assets.uploadStream({ ...file, body: bytes() }, metadata("whole"));
  assertEquals([asset.asset_file_info.file_size, asset.asset_file_info.file_type], [2_000_000, file.type]);
  const broken = { ...file, body: bytes(new Error("the source is gone")) };
  await assertRejects(() => assets.uploadStream(broken, metadata("half")));
  await assertLeft(server, 1);
});
