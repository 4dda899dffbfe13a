/** One process at a time has a data folder and its KV. */
import { assertEquals, assertRejects } from "@std/assert";
import { DataDir, DataDirInUse } from "../src/data_dir.ts";
import { startTestServer } from "./server/harness.ts";

/** Runs with a folder that goes in the end. */
async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "data-dir-test-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("DataDir.open() refuses a KV that another folder's server has, and takes it when that is gone", async () => {
  await withFolder(async (folder) => {
    const first = await DataDir.open(`${folder}/a`, "assets-db", `${folder}/x.kv`);
    const second = () => DataDir.open(`${folder}/b`, "assets-db", `${folder}/x.kv`);
    await assertRejects(
      second,
      DataDirInUse,
      `The KV ${folder}/x.kv is in use by another assets-server (--db)`,
    );
    await first.close();
    await (await second()).close();
  });
});

Deno.test("DataDir.open() knows the KV of a folder from outside, and its own by any name", async () => {
  await withFolder(async (folder) => {
    const own = await DataDir.open(`${folder}/a`, "assets-db", `${folder}/a/assets-db.kv`);
    const other = () => DataDir.open(`${folder}/b`, "assets-db", `${folder}/a/assets-db.kv`);
    await assertRejects(other, DataDirInUse, "--db");
    await own.close();
    await Deno.symlink(`${folder}/a`, `${folder}/link`);
    const linked = await DataDir.open(`${folder}/link`, "assets-db", `${folder}/a/assets-db.kv`);
    await linked.close();
  });
});

Deno.test("DataDir.open() keeps nothing of a folder when the KV cannot be had", async () => {
  await withFolder(async (folder) => {
    const failing = () => DataDir.open(`${folder}/a`, "assets-db", `${folder}/none/x.kv`);
    await assertRejects(failing, Error, `The KV ${folder}/none/x.kv cannot be opened (--db)`);
    const taken = await DataDir.open(`${folder}/a`, "assets-db");
    await taken.close();
  });
});

Deno.test("A second server on one local KV is refused, whatever its folder", async () => {
  await withFolder(async (folder) => {
    const db = `${folder}/shared.kv`;
    await using first = await startTestServer({ db });
    await assertRejects(() => startTestServer({ db }), Error, "is in use by another assets-server (--db)");
    assertEquals((await fetch(`${first.url}/health`).then((answer) => answer.json())).message, "healthy");
  });
});
