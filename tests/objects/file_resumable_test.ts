/** Resumable writes to a folder: what the black-box suite cannot see. */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { diskFs } from "../../src/objects/durable_fs.ts";
import { FileStore } from "../../src/objects/file_store.ts";
import { assertCode, chunksOf, fsWith, read, systemError, tree, withFolder } from "./file_store_fixture.ts";
import { patternBytes, streamOf } from "./object_store_suite.ts";
import { CheckedWrite, resumableSuite } from "./resumable_suite.ts";

const MIB = 2 ** 20;
const KEPT = { digest: { update() {} }, checkpoint: () => Promise.resolve() };
const NEW = { contentType: "text/plain", sizeBytes: 100 };

resumableSuite("FileStore", async () => {
  const folder = await Deno.makeTempDir({ prefix: "file_resumable_test_" });
  return { open: () => new FileStore(folder), close: () => Deno.remove(folder, { recursive: true }) };
});

Deno.test("ResumableFiles flushes what it counts: folders with begin(), bytes before a checkpoint, all in finish()", async () => {
  await withFolder(async (folder) => {
    const root = join(folder, "objects");
    const calls: string[] = [];
    const inTest = (path: string) =>
      path.slice(folder.length).replace(/[0-9a-f-]{36}/, "<id>").replaceAll("\\", "/");
    const fs = fsWith({
      async createFile(path) {
        calls.push(`create ${inTest(path)}`);
        return await diskFs.createFile(path);
      },
      async openFile(path, sizeBytes) {
        const file = await diskFs.openFile(path, sizeBytes);
        calls.push(`open at ${sizeBytes}`);
        return {
          async write(bytes) {
            calls.push("write");
            return await file.write(bytes);
          },
          async sync() {
            await file.sync();
            calls.push("sync file");
          },
          async syncData() {
            await file.syncData();
            calls.push("sync data");
          },
          close: () => file.close(),
        };
      },
      async rename(from, to) {
        await diskFs.rename(from, to);
        calls.push(`rename ${inTest(from)} ${inTest(to)}`);
      },
      async syncFolder(path) {
        await diskFs.syncFolder(path);
        calls.push(`sync ${inTest(path)}/`);
      },
    });
    const { resumable } = new FileStore(root, { fs });
    const begun = await resumable.begin("asset/1", NEW);
    assertEquals(calls.splice(0), [
      "create /objects/.tmp/<id>/asset/1",
      "sync /objects/.tmp/<id>/",
      "sync /objects/.tmp/",
      "sync /objects/",
      "sync /",
      "sync /objects/.tmp/<id>/asset/",
    ]);
    const checkpoint = () => Promise.resolve(void calls.push("checkpoint"));
    const state = await resumable.append("asset/1", begun, chunksOf(patternBytes(10)), {
      ...KEPT,
      checkpoint,
    });
    assertEquals(calls.splice(0), ["open at 0", "write", "sync data", "checkpoint"]);
    await resumable.finish("asset/1", state);
    assertEquals(calls, [
      "open at 10",
      "sync file",
      "sync /objects/",
      "sync /",
      "rename /objects/.tmp/<id>/asset/1 /objects/asset/1",
      "sync /objects/asset/",
    ]);
    assertEquals(await tree(root), [".tmp/", "asset/", "asset/1"]);
  });
});

Deno.test("ResumableFiles.finish() that fails once the file is in place keeps it, and finishes when repeated", async () => {
  await withFolder(async (root) => {
    await Deno.mkdir(join(root, "asset"));
    let fails = true;
    const fs = fsWith({
      syncFolder: (path) =>
        fails && path === join(root, "asset") ? Promise.reject(systemError("EIO")) : diskFs.syncFolder(path),
    });
    const store = new FileStore(root, { fs });
    const begun = await store.resumable.begin("asset/1", NEW);
    const state = await store.resumable.append("asset/1", begun, chunksOf(patternBytes(10)), KEPT);
    await assertCode("storage_error", () => store.resumable.finish("asset/1", state));
    fails = false;
    await store.resumable.finish("asset/1", state);
    assertEquals(await read(store, "asset/1"), patternBytes(10));
    assertEquals(await tree(root), [".tmp/", "asset/", "asset/1"]);
  });
});

Deno.test("ResumableFiles.append() on a disk that fills up answers out_of_space, and the last checkpoint holds", async () => {
  await withFolder(async (root) => {
    let roomBytes = 65 * MIB;
    const fs = fsWith({
      async openFile(path, sizeBytes) {
        const file = await diskFs.openFile(path, sizeBytes);
        return {
          write(bytes) {
            roomBytes -= bytes.length;
            return roomBytes < 0 ? Promise.reject(systemError("ENOSPC")) : file.write(bytes);
          },
          sync: () => file.sync(),
          syncData: () => file.syncData(),
          close: () => file.close(),
        };
      },
    });
    const write = await CheckedWrite.begin(
      () => new FileStore(root, { fs }),
      "asset/1",
      patternBytes(70 * MIB),
    );
    await assertCode("out_of_space", () => write.append(70 * MIB));
    assertEquals(write.state.offset, 64 * MIB);
    roomBytes = 100 * MIB;
    await write.append(6 * MIB);
    await write.finish();
    await write.assertStored();
  });
});

for (const call of ["syncFolder", "makeFolder", "createFile"] as const) {
  Deno.test(`ResumableFiles.begin() leaves nothing when ${call} fails`, async () => {
    await withFolder(async (root) => {
      const fs = fsWith({ [call]: () => Promise.reject(systemError("EIO")) });
      await assertCode("storage_error", () => new FileStore(root, { fs }).resumable.begin("asset/1", NEW));
      assertEquals((await tree(root)).filter((path) => path !== ".tmp/"), []);
    });
  });
}

Deno.test("ResumableFiles.append() does not go on behind bytes that the disk has lost", async () => {
  await withFolder(async (root) => {
    const { resumable } = new FileStore(root);
    const state = { ...await resumable.begin("asset/1", NEW), offset: 5 };
    await assertCode(
      "storage_error",
      () => resumable.append("asset/1", state, streamOf(patternBytes(9)), KEPT),
    );
    await assertCode("storage_error", () => resumable.finish("asset/1", state));
    await resumable.discard("asset/1", state);
  });
});

Deno.test("FileStore.listUnfinished() shows a resumable write, however old, and does not remove it", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    const state = await store.resumable.begin("asset/1", NEW);
    const longAgo = new Date(Date.now() - 30 * 24 * 60 * 60 * 1000);
    await Deno.utime(join(root, ".tmp", String(state.writeId)), longAgo, longAgo);
    const [write] = await Array.fromAsync(store.listUnfinished("asset/1"));
    assertEquals([write?.key, write?.writeId], ["asset/1", String(state.writeId)]);
    await store.resumable.append("asset/1", state, chunksOf(patternBytes(10)), KEPT);
    await store.resumable.discard("asset/1", state);
    assertEquals(await tree(root), [".tmp/"]);
  });
});

Deno.test("ResumableFiles refuses states that lead elsewhere or say nothing", async () => {
  await withFolder(async (root) => {
    const { resumable } = new FileStore(root);
    await assertCode("invalid_request", () => resumable.discard("a", { offset: 0, writeId: "../asset" }));
    await assertCode("internal", () => resumable.finish("a", { offset: 0 }));
    await assertCode("internal", () => resumable.finish("a", { offset: -1, writeId: "x" }));
    const cancelled = Promise.withResolvers<unknown>();
    const body = new ReadableStream<Uint8Array>({ cancel: (reason) => cancelled.resolve(reason) });
    await assertRejects(() => resumable.append("a", { offset: 0 }, body, KEPT));
    await cancelled.promise;
  });
});
