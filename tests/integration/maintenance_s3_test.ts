/** fsck, backup and restore where the files are in S3. */
import { assertEquals } from "@std/assert";
import { startMinio } from "../../scripts/services/minio.ts";
import type { Config } from "../../src/cli/config.ts";
import { backup } from "../../src/maintenance/backup.ts";
import { restore } from "../../src/maintenance/restore.ts";
import { readSite } from "../../src/maintenance/site.ts";
import { verifyBackup } from "../../src/maintenance/verify_backup.ts";
import { S3Store } from "../../src/objects/s3_store.ts";
import { fsck, makeData, upload } from "../maintenance/fixture.ts";
import { settingsFor, withService } from "./s3_service_suite.ts";

const minio = withService(startMinio);

const SILENT = { documents: () => {}, bytes: () => {} };

function storeOf({ s3 }: Config): S3Store {
  if (!s3) throw new Error("The settings name no bucket");
  return new S3Store(s3);
}

Deno.test("fsck finds and mends lost, changed and stray objects in a bucket; nothing of them is deleted", async () => {
  await using data = await makeData(settingsFor(minio));
  const ids = await data.serve((url) =>
    Promise.all(["A", "B", "C"].map((name) => upload(url, name, `of ${name}`)))
  );
  assertEquals((await fsck(data.config, { readsFiles: true })).told, []);
  const store = storeOf(data.config);
  const put = (key: string, text: string) =>
    store.put(key, new Blob([text]).stream(), { contentType: "text/plain" });
  await store.delete(`asset/${ids[0]}`);
  await put(`asset/${ids[1]}`, "OF B");
  await put("asset/stray", "stray");
  const found = await fsck(data.config, { readsFiles: true });
  assertEquals(found.kinds.sort(), ["damaged_file", "missing_file", "stray_file"]);
  const mended = await fsck(data.config, { readsFiles: true, repairs: true });
  assertEquals({ mended: mended.mended, remaining: mended.remaining }, { mended: 3, remaining: 0 });
  assertEquals((await fsck(data.config, { readsFiles: true })).told, []);
  const keys = (await Array.fromAsync(store.list(""))).map(({ key }) => key).sort();
  assertEquals(
    keys,
    [
      `asset/${ids[2]}`,
      `lost+found/asset/${ids[1]}`,
      "lost+found/asset/stray",
      `lost+found/assets/${ids[0]}.json`,
      `lost+found/assets/${ids[1]}.json`,
    ].sort(),
  );
});

Deno.test("a backup of files in S3 can be restored to a disk, and one of a disk to S3", async () => {
  await using data = await makeData(settingsFor(minio));
  await data.serve((url) =>
    Promise.all(["A", "B", ""].map((name) => upload(url, `N${name}`, name.repeat(100_000))))
  );
  await using disk = await makeData();
  await using again = await makeData(settingsFor(minio));
  let config = data.config;
  for (const target of [disk.config, again.config]) {
    const path = `${target.dataDir}.tar`;
    try {
      await using site = await readSite(config);
      assertEquals((await backup(site, path, { hasObjects: true, progress: SILENT })).objects, 3);
      const verified = await verifyBackup(path, { onBytes: () => {} });
      const restored = await restore(target, path, verified, { progress: SILENT, onBytes: () => {} });
      assertEquals(restored, { documents: 3, files: 3, contested: [] });
    } finally {
      await Deno.remove(path);
    }
    assertEquals((await fsck(target, { readsFiles: true })).told, []);
    config = target;
  }
});
