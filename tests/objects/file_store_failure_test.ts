import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { join } from "node:path";
import { ServiceError } from "../../src/errors.ts";
import { diskFs } from "../../src/objects/durable_fs.ts";
import { FileStore } from "../../src/objects/file_store.ts";
import {
  assertCode,
  chunksOf,
  fsWith,
  fsWritingThrough,
  PUT,
  read,
  systemError,
  textBytes,
  tree,
  withFolder,
} from "./file_store_fixture.ts";
import { patternBytes } from "./object_store_suite.ts";

Deno.test("FileStore.put() passes the stream's own error on and leaves nothing", async () => {
  await withFolder(async (root) => {
    const cause = new ServiceError("checksum_mismatch", "The bytes differ.");
    const body = ReadableStream.from((async function* () {
      yield patternBytes(700_000);
      throw cause;
    })());
    const error = await assertRejects(() => new FileStore(root).put("asset/x", body, PUT));
    assertStrictEquals(error, cause);
    assertEquals((await tree(root)).filter((path) => !path.endsWith("/")), []);
    assertEquals(await Array.fromAsync(Deno.readDir(join(root, ".tmp"))), []);
  });
});

Deno.test("FileStore.put() ends when its signal fires, cancels the stream and leaves the old object", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    await store.put("asset/x", chunksOf(textBytes("old")), PUT);
    const stop = new AbortController();
    const cancelled = Promise.withResolvers<unknown>();
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        // The third pull never gets its bytes: the write is stuck until the signal.
        if (++pulls === 3) {
          stop.abort(new Error("stopped"));
          return new Promise(() => {});
        }
        controller.enqueue(patternBytes(300_000));
      },
      cancel: (reason) => cancelled.resolve(reason),
    }, { highWaterMark: 0 });
    await assertRejects(() => store.put("asset/x", body, { ...PUT, signal: stop.signal }), Error, "stopped");
    assertStrictEquals(await cancelled.promise, stop.signal.reason);
    assertEquals(await read(store, "asset/x"), textBytes("old"));
    assertEquals(await tree(root), [".tmp/", "asset/", "asset/x"]);
  });
});

Deno.test("FileStore.put() with a signal that has fired reads nothing", async () => {
  await withFolder(async (root) => {
    const cancelled = Promise.withResolvers<unknown>();
    const body = new ReadableStream<Uint8Array>({ cancel: (reason) => cancelled.resolve(reason) });
    const signal = AbortSignal.abort(new Error("too late"));
    await assertRejects(
      () => new FileStore(root).put("asset/x", body, { ...PUT, signal }),
      Error,
      "too late",
    );
    assertStrictEquals(await cancelled.promise, signal.reason);
    assertEquals(await tree(root), []);
  });
});

for (
  const [system, code] of [["ENOSPC", "out_of_space"], ["EDQUOT", "out_of_space"], ["EIO", "storage_error"]]
) {
  Deno.test(`FileStore.put() answers ${code} to ${system}, stops the stream and leaves nothing`, async () => {
    await withFolder(async (root) => {
      let writes = 0;
      const fs = fsWritingThrough((file, bytes) => {
        if (++writes === 2) throw systemError(String(system));
        return file.write(bytes);
      });
      const cancelled = Promise.withResolvers<unknown>();
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(patternBytes(100_000)),
        cancel: (reason) => cancelled.resolve(reason),
      });
      await assertCode(String(code), () => new FileStore(root, { fs }).put("asset/x", body, PUT));
      assert(await cancelled.promise instanceof ServiceError);
      assertEquals((await tree(root)).filter((path) => path !== "asset/"), [".tmp/"]);
    });
  });
}

Deno.test("FileStore.put() notices a failing disk while the stream gives nothing", async () => {
  await withFolder(async (root) => {
    const fs = fsWritingThrough(() => Promise.reject(systemError("EIO")));
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(patternBytes(300_000)),
    });
    await assertCode("storage_error", () => new FileStore(root, { fs }).put("asset/x", body, PUT));
  });
});

for (const call of ["rename", "syncFolder", "makeFolder", "createFile"] as const) {
  Deno.test(`FileStore.put() leaves nothing when ${call} fails`, async () => {
    await withFolder(async (root) => {
      // Folders that are there already are not flushed again: the last flush is the one that fails.
      await Deno.mkdir(join(root, "asset"));
      let calls = 0;
      const fail = () => Promise.reject(systemError("EIO"));
      const fs = fsWith(
        call === "syncFolder"
          ? { syncFolder: (path) => ++calls === 3 ? fail() : diskFs.syncFolder(path) }
          : { [call]: fail },
      );
      await assertCode(
        "storage_error",
        () => new FileStore(root, { fs }).put("asset/x", chunksOf(patternBytes(9)), PUT),
      );
      assertEquals((await tree(root)).filter((path) => path !== ".tmp/"), ["asset/"]);
    });
  });
}

Deno.test("FileStore answers out_of_space on a file system that is full", {
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0,
}, async () => {
  await withFolder(async (folder) => {
    const mount = await new Deno.Command("mount", { args: ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder] })
      .output();
    // A container's root may lack CAP_SYS_ADMIN; the test with ENOSPC from a replaced call covers the answer there.
    if (!mount.success) return;
    try {
      const store = new FileStore(folder);
      await store.put("asset/small", chunksOf(patternBytes(500_000)), PUT);
      await assertCode("out_of_space", () => store.put("asset/large", chunksOf(patternBytes(600_000)), PUT));
      await store.put("asset/fits", chunksOf(patternBytes(400_000)), PUT);
      await Deno.writeFile(join(folder, "filler"), new Uint8Array(200_000)).catch(() => {});
      await assertCode("out_of_space", () => store.check());
      assertEquals(await tree(folder), [".tmp/", "asset/", "asset/fits", "asset/small", "filler"]);
    } finally {
      await new Deno.Command("umount", { args: [folder] }).output();
    }
  });
});

Deno.test("FileStore leaves no file open", { ignore: Deno.build.os !== "linux" }, async () => {
  await withFolder(async (root) => {
    // Deno itself reads /proc/<pid>/fd with all permissions only.
    const openFiles = async () => {
      const { stdout } = await new Deno.Command("ls", { args: ["-l", `/proc/${Deno.pid}/fd`] }).output();
      return new TextDecoder().decode(stdout).split("\n").filter((line) => line.includes(root));
    };
    const store = new FileStore(root);
    const failing = new FileStore(root, { fs: fsWritingThrough(() => Promise.reject(systemError("EIO"))) });
    await store.put("asset/x", chunksOf(patternBytes(900_000)), PUT);
    const unread = await store.get("asset/x");
    assertEquals((await openFiles()).length, 1);
    await unread.cancel();
    const range = { start: 1, end: 899_999 };
    for (let round = 0; round < 20; round++) {
      await read(store, "asset/x");
      await read(store, "asset/x", range);
      for (const options of [{}, { range }]) {
        await (await store.get("asset/x", options)).cancel();
        const reader = (await store.get("asset/x", options)).getReader();
        await reader.read();
        await reader.cancel();
        const stop = new AbortController();
        const aborted = await store.get("asset/x", { ...options, signal: stop.signal });
        stop.abort();
        await assertRejects(() => Array.fromAsync(aborted));
      }
      await assertRejects(() => store.get("asset/x", { range: { start: 0, end: 900_000 } }));
      await assertRejects(() => store.get("asset"));
      await assertRejects(() => failing.put("asset/y", chunksOf(patternBytes(300_000)), PUT));
      const broken = ReadableStream.from((async function* () {
        yield patternBytes(10);
        throw new Error("broken");
      })());
      await assertRejects(() => store.put("asset/y", broken, PUT));
      await store.put("asset/y", chunksOf(patternBytes(10)), PUT);
      await store.check();
      await store.delete("asset/y");
    }
    assertEquals(await openFiles(), []);
  });
});

Deno.test("FileStore.listUnfinished() names a running write, and discarding it makes the write fail", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    const goOn = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const body = ReadableStream.from((async function* () {
      yield patternBytes(10);
      begun.resolve();
      await goOn.promise;
      yield patternBytes(10);
    })());
    const before = Date.now() - 2000;
    const put = store.put("asset/x/y", body, PUT);
    await begun.promise;
    assertEquals(await Array.fromAsync(store.listUnfinished("other/")), []);
    const [write, ...more] = await Array.fromAsync(store.listUnfinished("asset/x"));
    assertEquals(more, []);
    if (write === undefined) throw new Error("The write is not listed.");
    assertEquals(write.key, "asset/x/y");
    assert(write.startedAt.getTime() >= before && write.startedAt.getTime() <= Date.now() + 2000);
    assertEquals(await Array.fromAsync(store.list("")), []);
    await store.discardUnfinished(write);
    await store.discardUnfinished(write);
    goOn.resolve();
    await assertCode("storage_error", () => put);
    assertEquals(await Array.fromAsync(store.listUnfinished("")), []);
    assertEquals(await store.head("asset/x/y"), undefined);
    await assertCode("invalid_request", () => store.discardUnfinished({ ...write, writeId: "../asset" }));
  });
});

Deno.test("FileStore.listUnfinished() removes an old write's folder that holds no file, and no young one", async () => {
  await withFolder(async (root) => {
    for (const name of ["old", "young"]) {
      await Deno.mkdir(join(root, ".tmp", name, "asset"), { recursive: true });
    }
    const twoHoursAgo = new Date(Date.now() - 2 * 60 * 60 * 1000);
    await Deno.utime(join(root, ".tmp", "old"), twoHoursAgo, twoHoursAgo);
    assertEquals(await Array.fromAsync(new FileStore(root).listUnfinished("")), []);
    assertEquals(await tree(root), [".tmp/", ".tmp/young/", ".tmp/young/asset/"]);
  });
});

Deno.test("FileStore goes on when its folders are removed under it", async () => {
  await withFolder(async (folder) => {
    const root = join(folder, "objects");
    const store = new FileStore(root);
    await store.put("asset/1", chunksOf(textBytes("one")), PUT);
    await Deno.remove(root, { recursive: true });
    assertEquals(await store.head("asset/1"), undefined);
    await store.put("asset/2", chunksOf(textBytes("two")), PUT);
    assertEquals(await read(store, "asset/2"), textBytes("two"));
  });
});

Deno.test("FileStore.check() leaves nothing and fails on a folder that cannot be made", async () => {
  await withFolder(async (folder) => {
    await Promise.all(Array.from({ length: 5 }, () => new FileStore(join(folder, "objects")).check()));
    assertEquals(await tree(folder), ["objects/", "objects/.tmp/"]);
    await Deno.writeTextFile(join(folder, "file"), "");
    await assertCode("storage_error", () => new FileStore(join(folder, "file")).check());
    await assertRejects(
      () => new FileStore(folder).check(AbortSignal.abort(new Error("stopped"))),
      Error,
      "stopped",
    );
  });
});

Deno.test("FileStore.check() lets go of a disk that does not answer", async () => {
  await withFolder(async (folder) => {
    const hung = Promise.withResolvers<void>();
    const store = new FileStore(folder, { fs: fsWith({ makeFolder: () => hung.promise }) });
    const stop = new AbortController();
    const checked = store.check(stop.signal);
    stop.abort();
    await assertCode("unavailable", () => checked);
    await Deno.mkdir(join(folder, ".tmp"));
    hung.resolve();
  });
});
