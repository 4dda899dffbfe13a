import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { type Config, ConfigError } from "../../src/cli/config.ts";
import type { Manifest } from "../../src/maintenance/archive.ts";
import { backup } from "../../src/maintenance/backup.ts";
import { restore, type Restored } from "../../src/maintenance/restore.ts";
import { readSite } from "../../src/maintenance/site.ts";
import { verifyBackup } from "../../src/maintenance/verify_backup.ts";
import { json, startTestServer } from "../server/harness.ts";
import { type Data, fsck, makeAssets, makeData, upload } from "./fixture.ts";

const SILENT = { documents: () => {}, bytes: () => {} };

async function backUp(config: Config, path: string, { hasObjects = true } = {}): Promise<Manifest> {
  await using site = await readSite(config);
  return await backup(site, path, { hasObjects, progress: SILENT });
}

async function restoreFrom(config: Config, path: string): Promise<Restored> {
  const verified = await verifyBackup(path, { onBytes: () => {} });
  return await restore(config, path, verified, { progress: SILENT, onBytes: () => {} });
}

/** Everything a client sees, but for the URL of the server: the assets in their order, and the bytes of each file. */
async function contentOf(data: Data): Promise<unknown[]> {
  return await data.serve(async (url) => {
    const response = await fetch(`${url}/assets?include=id`, json("POST", {}));
    const { data: assets } = await response.json();
    const all: unknown[] = [];
    for (const { asset_public_url, ...asset } of assets) {
      const file = await fetch(`${url}/asset-object/${asset.id}`, { redirect: "manual" });
      const bytes = await file.bytes();
      all.push({
        ...asset,
        path: asset_public_url.replace(/^.*(?=\/asset-object)/, ""),
        type: file.headers.get("Content-Type"),
        sha256: file.ok ? createHash("sha256").update(bytes).digest("hex") : file.status,
      });
    }
    return all;
  });
}

Deno.test("restore gives back every document with its id, every file with its type, and the id of the Assets DB", async () => {
  await using data = await makeAssets(4);
  await data.serve(async (url) => {
    await upload(url, "Empty", "");
    const large = { asset_name: "Large", asset_metadata: { text: "é".repeat(100_000) } };
    const elsewhere = { asset_name: "Elsewhere", asset_public_url: "https://example.com/f" };
    for (const body of [large, elsewhere]) {
      const answer = await fetch(`${url}/asset`, json("POST", body));
      assertEquals(answer.status, 201);
      await answer.body?.cancel();
    }
    const renamed = await fetch(`${url}/asset/A0:1.0-initial`, json("PUT", { asset_name: "Renamed" }));
    assertEquals(renamed.status, 200);
    await renamed.body?.cancel();
  });
  const path = `${data.dataDir}/backup.tar`;
  const { documents, objects } = await backUp(data.config, path);
  assertEquals({ documents, objects }, { documents: 7, objects: 5 });

  await using copy = await makeData();
  const restored = await restoreFrom(copy.config, path);
  assertEquals(restored, { documents: 7, files: 5, contested: [] });
  assertEquals((await fsck(copy.config, { readsFiles: true })).told, []);
  const before = await contentOf(data);
  assertEquals(before.length, 7);
  assertEquals(
    (await contentOf(copy)).map((one) => JSON.stringify(one)),
    before.map((one) => JSON.stringify(one)),
  );
  assertEquals(
    await Deno.readTextFile(`${copy.dataDir}/assets_db_id`),
    await Deno.readTextFile(`${data.dataDir}/assets_db_id`),
  );
});

Deno.test("a backup is a plain tar, for its owner alone", async () => {
  await using data = await makeAssets(1);
  const path = `${data.dataDir}/backup.tar`;
  await backUp(data.config, path);
  const { stdout } = await new Deno.Command("tar", { args: ["-tf", path] }).output();
  assertEquals(new TextDecoder().decode(stdout).trim().split("\n"), [
    "backup.json",
    "documents/000001.ndjson",
    `objects/asset/${data.ids[0]}`,
    "manifest.json",
  ]);
  assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o077, 0);
});

Deno.test("a backup without files has none, and its documents can be restored beside the files", async () => {
  await using data = await makeAssets(2);
  const path = `${data.dataDir}/backup.tar`;
  assertEquals((await backUp(data.config, path, { hasObjects: false })).objects, 0);
  await using copy = await makeData();
  await restoreFrom(copy.config, path);
  assertEquals((await fsck(copy.config)).kinds, ["missing_file", "missing_file"]);
  await Deno.rename(`${data.dataDir}/objects`, `${copy.dataDir}/objects`);
  assertEquals((await fsck(copy.config)).kinds, []);
});

Deno.test("a backup beside a busy server is of one moment: whatever is in it is whole", async () => {
  await using server = await startTestServer();
  const abort = new AbortController();
  const work = Array.from({ length: 3 }, async (_, worker) => {
    for (let n = 0; !abort.signal.aborted; n++) {
      const name = `W${worker}-${n}`;
      await upload(server.url, name, `${name} ${"x".repeat(5000)}`);
      if (n % 2 === 0) continue;
      const gone = `${server.url}/asset/W${worker}-${n - 1}:1.0-initial`;
      await (await fetch(gone, { method: "DELETE" })).body?.cancel();
    }
  });
  const folder = await Deno.makeTempDir();
  try {
    for (let n = 0; n < 4; n++) {
      const path = `${folder}/${n}.tar`;
      const { incomplete } = await backUp(server.config, path);
      assertEquals(incomplete, []);
      await using copy = await makeData();
      const { contested } = await restoreFrom(copy.config, path);
      assertEquals(contested, []);
      assertEquals((await fsck(copy.config, { readsFiles: true })).told, []);
    }
  } finally {
    abort.abort();
    await Promise.allSettled(work);
    await Deno.remove(folder, { recursive: true });
  }
  await Promise.all(work);
});

Deno.test("backup does not replace a file, and one that fails leaves nothing", async () => {
  await using data = await makeAssets(1);
  const path = `${data.dataDir}/backup.tar`;
  await Deno.writeTextFile(path, "mine");
  await assertRejects(() => backUp(data.config, path), Error, "there already");
  assertEquals(await Deno.readTextFile(path), "mine");
  await data.damage(async (kv) => void await kv.set(["doc", "assets", "damaged"], new Uint8Array([1, 2])));
  await assertRejects(() => backUp(data.config, `${data.dataDir}/other.tar`), Error, "fsck --repair");
  const names = (await Array.fromAsync(Deno.readDir(data.dataDir))).map(({ name }) => name);
  assertEquals(names.filter((name) => name.startsWith("other") || name.startsWith("maintenance")), []);
});

Deno.test("backup names the assets whose files are missing or damaged, and restore takes the rest", async () => {
  await using data = await makeAssets(3);
  const [missing = "", damaged = ""] = data.ids;
  await Deno.remove(`${data.dataDir}/objects/asset/${missing}`);
  await Deno.writeTextFile(`${data.dataDir}/objects/asset/${damaged}`, "CONTENT of 1");
  const path = `${data.dataDir}/backup.tar`;
  assertEquals((await backUp(data.config, path)).incomplete.sort(), [missing, damaged].sort());
  await using copy = await makeData();
  assertEquals((await restoreFrom(copy.config, path)).documents, 3);
});

for (
  const { what, damage } of [
    { what: "that is cut off", damage: (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 2048) },
    { what: "that is cut off within a file", damage: (bytes: Uint8Array) => bytes.subarray(0, 3000) },
    { what: "with another byte in a file", damage: (bytes: Uint8Array) => changed(bytes, "content of 1") },
    { what: "with another byte in a document", damage: (bytes: Uint8Array) => changed(bytes, '"A1"') },
    { what: "that is something else", damage: () => new TextEncoder().encode("x".repeat(2048)) },
    { what: "that is empty", damage: () => new Uint8Array() },
  ]
) {
  Deno.test(`restore makes nothing of a backup ${what}`, async () => {
    await using data = await makeAssets(3);
    const path = `${data.dataDir}/backup.tar`;
    await backUp(data.config, path);
    await Deno.writeFile(path, damage(await Deno.readFile(path)));
    await using copy = await makeData();
    const error = await assertRejects(() => restoreFrom(copy.config, path), Error, "cannot be restored");
    assertStringIncludes(error.message, path);
    assertEquals(await Array.fromAsync(Deno.readDir(copy.dataDir)), []);
  });
}

function changed(bytes: Uint8Array, text: string): Uint8Array {
  const at = new TextDecoder("latin1").decode(bytes).indexOf(text);
  assert(at > 0);
  const other = bytes.slice();
  other[at + 1] = (other[at + 1] ?? 0) ^ 1;
  return other;
}

Deno.test("restore refuses a KV with documents, another mode, another Assets DB and a folder in use", async () => {
  await using data = await makeAssets(1);
  const path = `${data.dataDir}/backup.tar`;
  await backUp(data.config, path);
  await assertRejects(() => restoreFrom(data.config, path), Error, "already");
  await using registry = await makeData({ mode: "registry" });
  await assertRejects(() => restoreFrom(registry.config, path), ConfigError, "assets-db");
  await using other = await makeData({ assetsDbId: "other" });
  await assertRejects(() => restoreFrom(other.config, path), ConfigError, "--assets-db-id");
  await using server = await startTestServer();
  await assertRejects(() => restoreFrom(server.config, path), Error, "in use");
});

Deno.test("a restore that was interrupted is completed by the next one", async () => {
  await using data = await makeAssets(30);
  const path = `${data.dataDir}/backup.tar`;
  await backUp(data.config, path);
  await using copy = await makeData();
  const verified = await verifyBackup(path, { onBytes: () => {} });
  const abort = new AbortController();
  let files = 0;
  const bytes = () => void (++files === 10 && abort.abort(new Error("interrupted")));
  const progress = { documents: () => {}, bytes };
  await assertRejects(
    () => restore(copy.config, path, verified, { progress, onBytes: () => {}, signal: abort.signal }),
    Error,
    "interrupted",
  );
  assertEquals((await restoreFrom(copy.config, path)).documents, 30);
  assertEquals((await fsck(copy.config, { readsFiles: true })).told, []);
});

Deno.test("a registry is backed up and restored", async () => {
  await using data = await makeData({ mode: "registry" });
  await data.serve(async (url) => {
    const entry = { asset_registry_name: "Lab", asset_registry_id: "lab" };
    await (await fetch(`${url}/asset_registry`, json("POST", entry))).body?.cancel();
  });
  const path = `${data.dataDir}/backup.tar`;
  await backUp(data.config, path);
  await using copy = await makeData({ mode: "registry" });
  assertEquals((await restoreFrom(copy.config, path)).documents, 1);
  await copy.serve(async (url) => {
    const { data: entry } = await (await fetch(`${url}/asset_registry/lab`)).json();
    assertEquals(entry.asset_registry_name, "Lab");
  });
});
