/** A disk that is full: on a small file system of its own, which only root can mount. */
import { assert, assertEquals } from "@std/assert";
import { seededBytes } from "../integration/seeded_bytes.ts";
import { fsck } from "../maintenance/fixture.ts";
import { readConfig } from "../../src/cli/config.ts";
import { startServer } from "../../src/server.ts";
import { json, uploadForm } from "./harness.ts";

const MIB = 2 ** 20;
const SIZE_MIB = 16;

const canMount = Deno.build.os === "linux" && Deno.uid() === 0 &&
  await withSmallDisk(() => Promise.resolve());

/** Runs something on a disk of `SIZE_MIB`; `false` if there is no way to make one. */
async function withSmallDisk(work: (folder: string) => Promise<void>): Promise<boolean> {
  const folder = await Deno.makeTempDir({ prefix: "disk-full-test-" });
  const run = (command: string, ...args: string[]) =>
    new Deno.Command(command, { args, stderr: "null" }).output().then(({ success }) => success, () => false);
  try {
    if (!await run("mount", "-t", "tmpfs", "-o", `size=${SIZE_MIB}m`, "tmpfs", folder)) return false;
    try {
      await work(folder);
    } finally {
      await run("umount", folder);
    }
    return true;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function answerOf(response: Response): Promise<[number, string]> {
  const { code = "" } = await response.json();
  return [response.status, code];
}

async function upload(url: string, name: string, sizeBytes: number): Promise<[number, string]> {
  const body = uploadForm(seededBytes(1, 0, sizeBytes), { name });
  return await answerOf(await fetch(`${url}/upload_asset`, { method: "POST", body }));
}

Deno.test({
  name:
    "on a full disk uploads are 507 and leave nothing, the server serves on, and takes them when there is room",
  ignore: !canMount,
  async fn() {
    await withSmallDisk(async (dataDir) => {
      const config = readConfig({ dataDir, port: "0" }, () => undefined);
      const server = await startServer(config);
      try {
        assertEquals(await upload(server.url, "Small", 1000), [201, ""]);
        assertEquals(await upload(server.url, "Large", SIZE_MIB * MIB), [507, "out_of_space"]);
        assertEquals(await upload(server.url, "Fits", 2 * MIB), [201, ""], "what was written has gone");

        await fill(`${dataDir}/filler`);
        const create = () => fetch(`${server.url}/asset`, json("POST", { asset_name: "Document" }));
        assertEquals(await answerOf(await create()), [507, "out_of_space"]);
        assertEquals(await upload(server.url, "Full", 100_000), [507, "out_of_space"]);
        const query = await fetch(`${server.url}/assets`, json("POST", {}));
        assertEquals((await query.json()).data.length, 2, "what is there can be read");

        await Deno.remove(`${dataDir}/filler`);
        assertEquals(await answerOf(await create()), [201, ""]);
        assertEquals(await upload(server.url, "Full", 100_000), [201, ""]);
        const all = await fetch(`${server.url}/assets`, json("POST", {}));
        assertEquals((await all.json()).data.length, 4, "the index has caught up");
      } finally {
        await server.stop();
      }
      const { told } = await fsck(config, { readsFiles: true });
      assertEquals(told, []);
    });
    assert(true);
  },
});

/** Takes all room that there is. */
async function fill(path: string): Promise<void> {
  using file = await Deno.create(path);
  try {
    for (const block = new Uint8Array(4096);;) await file.write(block);
  } catch {
    // It is full.
  }
}
