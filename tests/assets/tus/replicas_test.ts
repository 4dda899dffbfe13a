/** Two replicas of one Assets DB: one KV, one bucket. */
import { assertEquals } from "@std/assert";
import { AssetService } from "../../../src/assets/service.ts";
import { ResumableUploads } from "../../../src/assets/tus/resumable_uploads.ts";
import { S3Store } from "../../../src/objects/s3_store.ts";
import { startS3rver } from "../../objects/s3rver.ts";

const ROUNDS = 4;

async function openReplicas() {
  const kv = await Deno.openKv(":memory:");
  const s3 = await startS3rver();
  const folder = await Deno.makeTempDir({ prefix: "replicas-test-" });
  const store = new S3Store({ ...s3, addressing: "path" });
  const replicas = await Promise.all(["a", "b"].map(async (name) => {
    const service = new AssetService({
      kv,
      isShared: true,
      store,
      assetsDbId: "db",
      publicUrl: () => "http://localhost:1",
      viewPath: `${folder}/${name}.view.sqlite`,
    });
    await service.open(5000);
    return service;
  }));
  const [here, there] = replicas.map((service) => new ResumableUploads(service));
  const [service] = replicas;
  if (!here || !there || !service) throw new TypeError("There are two");
  return {
    here,
    there,
    service,
    store,
    async [Symbol.asyncDispose]() {
      for (const replica of replicas) await replica.close();
      kv.close();
      await s3.stop();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** An upload whose bytes are all there; returns its id. */
async function uploadedBytes(uploads: ResumableUploads, name: string): Promise<string> {
  const asset_metadata = JSON.stringify({ asset_name: name, asset_version: { version: "1", tag: "a" } });
  const id = uploads.newId();
  await uploads.create(id, { sizeBytes: 1, metadata: { filename: "f.bin", asset_metadata } });
  await uploads.append(id, 0, new Blob(["x"]).stream());
  return id;
}

Deno.test("ResumableUploads.complete() by two replicas at once makes one asset, and its file stays", async () => {
  await using test = await openReplicas();
  for (let round = 0; round < ROUNDS; round++) {
    const id = await uploadedBytes(test.here, `round ${round}`);
    const made = await Promise.all([test.here.complete(id), test.there.complete(id)]);
    assertEquals(made.map((asset) => asset.id), [id, id]);
    assertEquals((await test.store.head(`asset/${id}`))?.sizeBytes, 1);
  }
});

Deno.test("ResumableUploads.remove() of an upload that another replica makes an asset leaves both the asset and its file, or neither", async () => {
  await using test = await openReplicas();
  for (let round = 0; round < ROUNDS; round++) {
    const id = await uploadedBytes(test.here, `round ${round}`);
    const [made] = await Promise.allSettled([test.here.complete(id), test.there.remove(id)]);
    const isAsset = await test.service.assets.get(id) !== undefined;
    assertEquals(made.status === "fulfilled", isAsset);
    assertEquals((await test.store.head(`asset/${id}`))?.sizeBytes, isAsset ? 1 : undefined);
  }
});
