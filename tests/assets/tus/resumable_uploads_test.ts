import { assertEquals, assertRejects } from "@std/assert";
import { AssetService } from "../../../src/assets/service.ts";
import { ResumableUploads } from "../../../src/assets/tus/resumable_uploads.ts";
import { ServiceError } from "../../../src/errors.ts";
import { FileStore } from "../../../src/objects/file_store.ts";

const MAX_OPEN = 2;

/** Uploads of which two may be open. */
async function open() {
  const kv = await Deno.openKv(":memory:");
  const folder = await Deno.makeTempDir({ prefix: "resumable-uploads-test-" });
  const service = new AssetService({
    kv,
    isShared: false,
    store: new FileStore(`${folder}/objects`),
    assetsDbId: "db",
    publicUrl: () => "http://localhost:1",
    viewPath: `${folder}/assets.view.sqlite`,
  });
  await service.open(5000);
  return {
    uploads: new ResumableUploads(service, { maxOpen: MAX_OPEN }),
    /** What a restarted server has. */
    restarted: () => new ResumableUploads(service, { maxOpen: MAX_OPEN }),
    async [Symbol.asyncDispose]() {
      await service.close();
      kv.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Begins an upload of one byte; returns its id. */
async function begin(uploads: ResumableUploads, name: string): Promise<string> {
  const asset_metadata = JSON.stringify({ asset_name: name, asset_version: { version: "1", tag: "a" } });
  const id = uploads.newId();
  await uploads.create(id, { sizeBytes: 1, metadata: { filename: "f.bin", asset_metadata } });
  return id;
}

async function assertTooMany(uploads: ResumableUploads): Promise<void> {
  const error = await assertRejects(() => begin(uploads, "One too many"), ServiceError);
  assertEquals([error.code, error.headers?.["Retry-After"]], ["too_many_requests", "60"]);
}

Deno.test("ResumableUploads.create() refuses more open uploads than it keeps, also at once", async () => {
  await using test = await open();
  const begun = await Promise.allSettled(["a", "b", "c"].map((name) => begin(test.uploads, name)));
  assertEquals(begun.map(({ status }) => status).sort(), ["fulfilled", "fulfilled", "rejected"]);
  await assertTooMany(test.uploads);
});

Deno.test("ResumableUploads.create() has room again for each that was finished or thrown away", async () => {
  await using test = await open();
  const first = await begin(test.uploads, "a");
  await begin(test.uploads, "b");
  await test.uploads.append(first, 0, new Blob(["x"]).stream());
  await assertTooMany(test.uploads);
  await test.uploads.complete(first);
  const third = await begin(test.uploads, "c");
  await assertTooMany(test.uploads);
  await test.uploads.remove(third);
  await begin(test.uploads, "d");
});

Deno.test("ResumableUploads.create() leaves no place taken when it fails", async () => {
  await using test = await open();
  for (let n = 0; n <= MAX_OPEN; n++) {
    const metadata = { filename: "f.bin", asset_metadata: "no JSON" };
    const refused = test.uploads.create(test.uploads.newId(), { sizeBytes: 1, metadata });
    assertEquals((await assertRejects(() => refused, ServiceError)).code, "invalid_json");
  }
  await begin(test.uploads, "a");
});

Deno.test("ResumableUploads.sweep() counts what was open before a restart, and frees what has expired", async () => {
  await using test = await open();
  for (const name of ["a", "b"]) await begin(test.uploads, name);
  const uploads = test.restarted();
  await uploads.sweep();
  await assertTooMany(uploads);
  assertEquals(await uploads.sweep({ now: Date.now() + 2 * uploads.expirationMs }), 2);
  await begin(uploads, "c");
});
