import { assertEquals, assertRejects } from "@std/assert";
import { AssetService } from "../../src/assets/service.ts";
import { type Upload, uploadAsset } from "../../src/assets/upload.ts";
import type { UploadMetadata } from "../../src/assets/schema.ts";
import { ServiceError } from "../../src/errors.ts";
import { FileStore } from "../../src/objects/file_store.ts";
import { keys } from "../collection/fixture.ts";

const METADATA: UploadMetadata = { asset_name: "M", asset_version: { version: "1", tag: "a" } };

/** A service on a KV in memory and a folder; `wrap` may put faults into the store. */
async function open(wrap: (store: FileStore) => FileStore = (store) => store) {
  const kv = await Deno.openKv(":memory:");
  const folder = await Deno.makeTempDir({ prefix: "upload-test-" });
  const store = wrap(new FileStore(`${folder}/objects`));
  const service = new AssetService({
    kv,
    isShared: false,
    store,
    assetsDbId: "db",
    publicUrl: () => "http://localhost:1",
    viewPath: `${folder}/assets.view.sqlite`,
  });
  await service.open(5000);
  return {
    kv,
    service,
    store,
    objects: () => Array.fromAsync(store.list("")),
    async [Symbol.asyncDispose]() {
      await service.close();
      kv.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

function upload(chunks: string[], more: Partial<Upload> = {}): Upload {
  const left = chunks.map((chunk) => new TextEncoder().encode(chunk));
  return {
    fileName: "f.txt",
    fileType: "text/plain",
    nextChunk: () => Promise.resolve(left.shift()),
    known: undefined,
    finish: () => Promise.resolve(METADATA),
    ...more,
  };
}

Deno.test("uploadAsset() leaves document, object and no journal entry", async () => {
  await using test = await open();
  const { id } = await uploadAsset(test.service, upload(["some ", "bytes"]), {});
  assertEquals((await test.objects()).map(({ key, sizeBytes }) => [key, sizeBytes]), [[`asset/${id}`, 10]]);
  assertEquals(await keys(test.kv, ["pending"]), []);
  assertEquals((await keys(test.kv, ["doc"])).length, 1);
});

/** Every key but the one that every KV has. */
async function keysLeft(kv: Deno.Kv): Promise<Deno.KvKey[]> {
  return (await keys(kv, [])).filter(([first]) => first !== "identity");
}

const FAILURES: [what: string, more: Partial<Upload>, code: string][] = [
  [
    "the client goes away",
    { nextChunk: () => Promise.reject(new ServiceError("timeout", "Gone.")) },
    "timeout",
  ],
  [
    "the rest of the form is bad",
    { finish: () => Promise.reject(new ServiceError("invalid_json", "Bad.")) },
    "invalid_json",
  ],
  [
    "the checksum is wrong",
    { finish: () => Promise.resolve({ ...METADATA, asset_file_info: { sha256: "0".repeat(64) } }) },
    "checksum_mismatch",
  ],
  [
    "the size is wrong",
    { finish: () => Promise.resolve({ ...METADATA, asset_file_info: { file_size: 1 } }) },
    "invalid_request",
  ],
  [
    "the document is too large",
    { finish: () => Promise.resolve({ ...METADATA, asset_metadata: { text: "x".repeat(300_000) } }) },
    "too_large",
  ],
];

for (const [what, more, code] of FAILURES) {
  Deno.test(`uploadAsset() leaves nothing when ${what}`, async () => {
    await using test = await open();
    const error = await assertRejects(
      () => uploadAsset(test.service, upload(["some"], more), {}),
      ServiceError,
    );
    assertEquals(error.code, code);
    assertEquals(await test.objects(), []);
    assertEquals(await Array.fromAsync(test.store.listUnfinished("")), []);
    assertEquals(await keysLeft(test.kv), []);
  });
}

Deno.test("uploadAsset() leaves nothing of a file above the limit, and takes one that is exactly as large", async () => {
  await using test = await open();
  const limits = { maxUploadBytes: 9 };
  const error = await assertRejects(
    () => uploadAsset(test.service, upload(["12345", "67890"]), limits),
    ServiceError,
  );
  assertEquals(error.code, "too_large");
  assertEquals([await test.objects(), await keysLeft(test.kv)], [[], []]);
  await uploadAsset(test.service, upload(["12345", "6789"]), limits);
  assertEquals((await test.objects()).length, 1);
});

Deno.test("uploadAsset() with metadata that came first refuses a taken URI before it reads the file", async () => {
  await using test = await open();
  await uploadAsset(test.service, upload(["some"]), {});
  let reads = 0;
  const late = upload([], {
    known: METADATA,
    nextChunk: () => {
      reads++;
      return Promise.resolve(undefined);
    },
  });
  const error = await assertRejects(() => uploadAsset(test.service, late, {}), ServiceError);
  assertEquals([error.code, reads], ["already_exists", 0]);
});

Deno.test("uploadAsset() lets one of many with the same URI win, and keeps its object alone", async () => {
  await using test = await open();
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, () => uploadAsset(test.service, upload(["some"]), {})),
  );
  assertEquals(results.filter(({ status }) => status === "fulfilled").length, 1);
  assertEquals((await test.objects()).length, 1);
  assertEquals(await keys(test.kv, ["pending"]), []);
});

/** A store that cannot delete while it is told so. */
class StuckStore extends FileStore {
  isStuck = false;

  override async delete(key: string): Promise<void> {
    if (this.isStuck) throw new ServiceError("storage_error", "The store is away.");
    await super.delete(key);
  }
}

Deno.test("AssetService.remove() leaves an object that the store cannot delete now to the sweeper", async () => {
  const folder = await Deno.makeTempDir({ prefix: "upload-test-" });
  const stuck = new StuckStore(folder);
  await using test = await open(() => stuck);
  const { id } = await uploadAsset(test.service, upload(["some"]), {});
  stuck.isStuck = true;
  await test.service.remove("M:1-a", () => {});
  assertEquals((await test.objects()).map(({ key }) => key), [`asset/${id}`]);
  stuck.isStuck = false;
  assertEquals(await test.service.journal.sweep(stuck, { now: Date.now() + 16 * 60_000 }), 1);
  assertEquals(await test.objects(), []);
  await Deno.remove(folder, { recursive: true });
});
