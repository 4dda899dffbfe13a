import { assertEquals } from "@std/assert";
import { jsonBytes } from "../../src/collection/large_value.ts";
import { type Change, Truth } from "../../src/collection/truth.ts";
import { backup } from "../../src/maintenance/backup.ts";
import { readDocument } from "../../src/maintenance/documents.ts";
import { restore } from "../../src/maintenance/restore.ts";
import { holdSite, type Site } from "../../src/maintenance/site.ts";
import { verifyBackup } from "../../src/maintenance/verify_backup.ts";
import type { ObjectStore } from "../../src/objects/object_store.ts";
import { fsck, makeAssets, makeData } from "./fixture.ts";

/** A store that looks for files only when something has been done. */
function afterwards(store: ObjectStore, done: () => Promise<void> | undefined): ObjectStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === "head") {
        return async (key: string) => {
          await done();
          return await target.head(key);
        };
      }
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/** Renames an asset, or removes it. */
async function change({ kv, collection }: Site, id: string, name?: string): Promise<void> {
  const found = await readDocument(kv, collection, id);
  if (!found || "damage" in found) throw new Error(`${id} is not there`);
  const { document, versionstamp, pieces } = found;
  const next = { ...document, asset_name: name ?? "", asset_uri: `${name}:1.0-initial` };
  const previous = { versionstamp, pieces, unique: collection.uniqueOf(document) };
  const done: Change = name === undefined
    ? { id, previous }
    : { id, previous, next: { bytes: jsonBytes(next), unique: collection.uniqueOf(next) } };
  await new Truth(kv, collection.name).commit([done]);
}

Deno.test("a backup of a KV that others change meanwhile has what each document was in the end", async () => {
  await using data = await makeAssets(4);
  const [renamed = "", removed = "", swapped = ""] = [...data.ids].sort();
  const path = `${data.dataDir}/backup.tar`;
  {
    await using held = await holdSite(data.config);
    // As one across the network is read: no copy, but the change log.
    const { kv, collection, store, aside, assetsDbId, viewPath, fresh } = held;
    const config = { ...data.config, isDbShared: true };
    let changing: Promise<void> | undefined;
    const documents = () => {
      changing ??= (async () => {
        await change(held, removed);
        await change(held, renamed, "Renamed");
        await change(held, swapped, "Swapped");
        await change(held, swapped, "Swapped again");
      })();
    };
    const site: Site = {
      config,
      kv,
      collection,
      store: store && afterwards(store, () => changing),
      aside,
      assetsDbId,
      viewPath,
      fresh,
      async [Symbol.asyncDispose]() {},
    };
    // The documents are read by then, and their files not yet.
    const manifest = await backup(site, path, { hasObjects: true, progress: { documents, bytes: () => {} } });
    await changing;
    assertEquals(manifest.incomplete, []);
  }
  await using copy = await makeData();
  const verified = await verifyBackup(path, { onBytes: () => {} });
  await restore(copy.config, path, verified, {
    progress: { documents: () => {}, bytes: () => {} },
    onBytes: () => {},
  });
  assertEquals((await fsck(copy.config, { readsFiles: true })).told, []);
  await copy.serve(async (url) => {
    const { data: all } = await (await fetch(`${url}/assets`, {
      method: "POST",
      body: "{}",
      headers: { "Content-Type": "application/json" },
    })).json();
    const names = all.map(({ asset_name }: { asset_name: string }) => asset_name);
    assertEquals(names.length, 3);
    assertEquals(names.includes("Renamed") && names.includes("Swapped again"), true, names.join());
  });
});
