import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { ServiceError } from "../../src/errors.ts";
import { diskFs, type DurableFs, type WritableFile } from "../../src/objects/durable_fs.ts";
import { compareKeys, keySegments } from "../../src/objects/file_key.ts";
import { FileStore } from "../../src/objects/file_store.ts";
import { objectStoreSuite } from "./object_store_suite.ts";

const PUT = { contentType: "application/octet-stream" };

/** A folder for one test, gone with it. */
async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "file_store_test_" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function streamOf(...chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks);
}

function textOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  return new Response(stream).text();
}

async function read(
  store: FileStore,
  key: string,
  range?: { start: number; end: number },
): Promise<Uint8Array> {
  const chunks = await Array.fromAsync(await store.get(key, { range }));
  return new Uint8Array(await new Blob(chunks.map((chunk) => new Uint8Array(chunk))).arrayBuffer());
}

/** Bytes that differ from each other at every distance that matters here. */
function pattern(sizeBytes: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let state = seed;
  for (let index = 0; index < sizeBytes; index++) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    bytes[index] = state >> 16;
  }
  return bytes;
}

/** Every file and folder below `folder`, sorted. */
async function tree(folder: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(join(folder, below))) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    found.push(entry.isDirectory ? `${path}/` : path);
    if (entry.isDirectory) found.push(...await tree(folder, path));
  }
  return found.sort();
}

async function assertCode(code: string, call: () => Promise<unknown>): Promise<void> {
  const error = await assertRejects(call, ServiceError);
  assertEquals(error.code, code);
}

/** The real file system with some calls replaced. */
function fsWith(calls: Partial<DurableFs>): DurableFs {
  return { ...diskFs, ...calls };
}

/** A file whose writes go through `write`. */
function fsWritingThrough(write: (file: WritableFile, bytes: Uint8Array) => Promise<number>): DurableFs {
  return fsWith({
    async createFile(path) {
      const file = await diskFs.createFile(path);
      return { write: (bytes) => write(file, bytes), sync: () => file.sync(), close: () => file.close() };
    },
  });
}

/** An error as Deno makes them of the system's. */
function systemError(code: string): Error {
  return Object.assign(new Error(`${code} (os error)`), { code });
}

Deno.test("FileStore.put() stores the bytes at <root>/<key> and leaves no temporary file", async () => {
  await withFolder(async (root) => {
    const bytes = pattern(1_000_003);
    const chunks = [bytes.subarray(0, 10), bytes.subarray(10, 700_000), bytes.subarray(700_000)];
    const stored = await new FileStore(root).put("asset/a b:ü", streamOf(...chunks), PUT);
    assertEquals(stored, { sizeBytes: bytes.byteLength });
    assertEquals(await Deno.readFile(join(root, "asset", "a b:ü")), bytes);
    assertEquals(await tree(root), [".tmp/", "asset/", "asset/a b:ü"]);
  });
});

Deno.test("FileStore.put() makes the root and stores an empty object", async () => {
  await withFolder(async (folder) => {
    const store = new FileStore(join(folder, "not", "there", "yet"));
    assertEquals(await store.put("asset/empty", streamOf(), PUT), { sizeBytes: 0 });
    assertEquals((await read(store, "asset/empty")).byteLength, 0);
    assertEquals((await store.head("asset/empty"))?.sizeBytes, 0);
  });
});

Deno.test("FileStore.put() writes all bytes to a file that takes only some of them at a time", async () => {
  await withFolder(async (root) => {
    const fs = fsWritingThrough((file, bytes) =>
      file.write(bytes.subarray(0, Math.ceil(bytes.byteLength / 3)))
    );
    const bytes = pattern(600_001);
    await new FileStore(root, { fs }).put("asset/x", streamOf(bytes), PUT);
    assertEquals(await Deno.readFile(join(root, "asset/x")), bytes);
  });
});

Deno.test("FileStore.put() flushes the file, renames it, and flushes every folder that is new", async () => {
  await withFolder(async (folder) => {
    const root = join(folder, "objects");
    const calls: string[] = [];
    const inTest = (path: string) =>
      path.slice(folder.length).replace(/[0-9a-f-]{36}/, "<id>").replaceAll("\\", "/");
    const fs: DurableFs = {
      async createFile(path) {
        calls.push(`create ${inTest(path)}`);
        const file = await diskFs.createFile(path);
        return {
          write: (bytes) => file.write(bytes),
          sync: async () => {
            await file.sync();
            calls.push("sync file");
          },
          close: () => file.close(),
        };
      },
      makeFolder: diskFs.makeFolder,
      async rename(from, to) {
        await diskFs.rename(from, to);
        calls.push(`rename ${inTest(from)} ${inTest(to)}`);
      },
      async syncFolder(path) {
        await diskFs.syncFolder(path);
        calls.push(`sync ${inTest(path)}/`);
      },
    };
    const store = new FileStore(root, { fs });
    await store.put("asset/1", streamOf(bytesOf("one")), PUT);
    assertEquals(calls.splice(0), [
      "create /objects/.tmp/<id>/asset/1",
      "sync file",
      "sync /objects/",
      "sync /",
      "rename /objects/.tmp/<id>/asset/1 /objects/asset/1",
      "sync /objects/asset/",
    ]);
    await store.put("asset/2", streamOf(bytesOf("two")), PUT);
    assertEquals(calls, [
      "create /objects/.tmp/<id>/asset/2",
      "sync file",
      "rename /objects/.tmp/<id>/asset/2 /objects/asset/2",
      "sync /objects/asset/",
    ]);
  });
});

Deno.test("FileStore.put() passes the stream's own error on and leaves nothing", async () => {
  await withFolder(async (root) => {
    const cause = new ServiceError("checksum_mismatch", "The bytes differ.");
    const body = ReadableStream.from((async function* () {
      yield pattern(700_000);
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
    await store.put("asset/x", streamOf(bytesOf("old")), PUT);
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
        controller.enqueue(pattern(300_000));
      },
      cancel: (reason) => cancelled.resolve(reason),
    }, { highWaterMark: 0 });
    await assertRejects(() => store.put("asset/x", body, { ...PUT, signal: stop.signal }), Error, "stopped");
    assertStrictEquals(await cancelled.promise, stop.signal.reason);
    assertEquals(await textOf(await store.get("asset/x") as ReadableStream<Uint8Array<ArrayBuffer>>), "old");
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
        pull: (controller) => controller.enqueue(pattern(100_000)),
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
      start: (controller) => controller.enqueue(pattern(300_000)),
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
        () => new FileStore(root, { fs }).put("asset/x", streamOf(pattern(9)), PUT),
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
      await store.put("asset/small", streamOf(pattern(500_000)), PUT);
      await assertCode("out_of_space", () => store.put("asset/large", streamOf(pattern(600_000)), PUT));
      await store.put("asset/fits", streamOf(pattern(400_000)), PUT);
      await Deno.writeFile(join(folder, "filler"), new Uint8Array(200_000)).catch(() => {});
      await assertCode("out_of_space", () => store.check());
      assertEquals(await tree(folder), [".tmp/", "asset/", "asset/fits", "asset/small", "filler"]);
    } finally {
      await new Deno.Command("umount", { args: [folder] }).output();
    }
  });
});

Deno.test("FileStore.put() of one key many times at once leaves one of the objects, whole", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    const bodies = Array.from({ length: 12 }, (_, index) => pattern(400_000 + index, index + 1));
    await Promise.all(bodies.map((bytes) => store.put("asset/x", streamOf(bytes), PUT)));
    const stored = await read(store, "asset/x");
    assertEquals(stored, bodies.find((bytes) => bytes.byteLength === stored.byteLength));
    assertEquals(await tree(root), [".tmp/", "asset/", "asset/x"]);
  });
});

Deno.test("FileStore.get() gives the old bytes whole to a reader while the object is replaced and deleted", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    const old = pattern(900_000, 3);
    await store.put("asset/x", streamOf(old), PUT);
    for (const range of [undefined, { start: 0, end: old.byteLength - 1 }]) {
      const reader = (await store.get("asset/x", { range })).getReader();
      const chunks = [await reader.read()];
      await store.put("asset/x", streamOf(bytesOf("new")), PUT);
      await store.delete("asset/x");
      while (!chunks.at(-1)?.done) chunks.push(await reader.read());
      const parts = chunks.flatMap((chunk) => chunk.value === undefined ? [] : [new Uint8Array(chunk.value)]);
      assertEquals(new Uint8Array(await new Blob(parts).arrayBuffer()), old);
      await store.put("asset/x", streamOf(old), PUT);
    }
  });
});

Deno.test("FileStore.get() gives exactly the bytes of a range", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    const bytes = pattern(600_000);
    await store.put("asset/x", streamOf(bytes), PUT);
    const ranges = [[0, 0], [599_999, 599_999], [0, 599_999], [262_143, 262_144], [1, 524_288], [
      300_000,
      599_999,
    ]];
    for (const [start = 0, end = 0] of ranges) {
      assertEquals(await read(store, "asset/x", { start, end }), bytes.subarray(start, end + 1));
    }
    await assertCode(
      "range_not_satisfiable",
      () => store.get("asset/x", { range: { start: 0, end: 600_000 } }),
    );
  });
});

Deno.test("FileStore.get() of a whole object is sent by Deno.serve as it is", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    const bytes = pattern(3_000_000);
    await store.put("asset/x", streamOf(bytes), PUT);
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async () => {
      return new Response(await store.get("asset/x") as ReadableStream<Uint8Array<ArrayBuffer>>);
    });
    const response = await fetch(`http://127.0.0.1:${server.addr.port}/`);
    assertEquals(new Uint8Array(await response.arrayBuffer()), bytes);
    await server.shutdown();
  });
});

Deno.test("FileStore.get() ends its stream when the signal fires", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    await store.put("asset/x", streamOf(pattern(900_000)), PUT);
    for (const range of [undefined, { start: 10, end: 899_999 }]) {
      const stop = new AbortController();
      const reader = (await store.get("asset/x", { range, signal: stop.signal })).getReader();
      await reader.read();
      stop.abort();
      await assertRejects(async () => {
        while (!(await reader.read()).done);
      });
    }
  });
});

Deno.test("FileStore leaves no file open", { ignore: Deno.build.os !== "linux" }, async () => {
  await withFolder(async (root) => {
    const openFiles = () =>
      Array.from(Deno.readDirSync("/proc/self/fd")).filter(({ name }) => {
        try {
          return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(root);
        } catch {
          return false;
        }
      });
    const store = new FileStore(root);
    const failing = new FileStore(root, { fs: fsWritingThrough(() => Promise.reject(systemError("EIO"))) });
    await store.put("asset/x", streamOf(pattern(900_000)), PUT);
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
      await assertRejects(() => failing.put("asset/y", streamOf(pattern(300_000)), PUT));
      const broken = ReadableStream.from((async function* () {
        yield pattern(10);
        throw new Error("broken");
      })());
      await assertRejects(() => store.put("asset/y", broken, PUT));
      await store.put("asset/y", streamOf(pattern(10)), PUT);
      await store.check();
      await store.delete("asset/y");
    }
    assertEquals(openFiles(), []);
  });
});

Deno.test("FileStore refuses keys that lead out of its folder or that no disk can hold", async () => {
  await withFolder(async (folder) => {
    const root = join(folder, "objects");
    await Deno.writeTextFile(join(folder, "secret"), "secret");
    const store = new FileStore(root);
    const keys = [
      "",
      "/",
      "/etc/passwd",
      "../secret",
      "asset/../../secret",
      "asset/./x",
      "asset//x",
      "asset/",
    ];
    keys.push(
      "asset/a\0b",
      "asset\\..\\secret",
      "..",
      ".",
      ".tmp/x",
      ".tmp",
      `asset/${"ü".repeat(128)}`,
      "asset/\ud800",
    );
    for (const key of keys) {
      await assertCode("invalid_request", () => store.get(key));
      await assertCode("invalid_request", () => store.head(key));
      await assertCode("invalid_request", () => store.delete(key));
      await assertCode("invalid_request", () => store.put(key, streamOf(bytesOf("x")), PUT));
    }
    assertEquals(await tree(folder), ["secret"]);
  });
});

Deno.test("FileStore holds every key whose segments fit", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    const keys = [
      "a",
      ".hidden/..x",
      "asset/%2e%2e",
      "x".repeat(255),
      `${"ü".repeat(127)}/${"y".repeat(255)}/z`,
    ];
    for (const key of keys) {
      await store.put(key, streamOf(bytesOf(key)), PUT);
      assertEquals(await read(store, key), bytesOf(key));
    }
    assertEquals((await Array.fromAsync(store.list(""))).map(({ key }) => key), keys.toSorted(compareKeys));
    const deep = "d/".repeat(2500) + "x";
    await assertCode("invalid_request", () => store.put(deep, streamOf(), PUT));
    assertEquals(await Array.fromAsync(Deno.readDir(join(root, ".tmp"))), []);
  });
});

Deno.test("keySegments() refuses on Windows what only Windows cannot hold", () => {
  for (const key of ["asset/a:b", "nul", "asset/COM1.txt", "asset/x.", "asset/x ", "a?b", "a\u0001"]) {
    assertEquals(keySegments(key, "linux"), key.split("/"));
    assertThrows(() => keySegments(key, "windows"), ServiceError, "Windows");
  }
  assertEquals(keySegments("asset/0198-a_b.~c", "windows"), ["asset", "0198-a_b.~c"]);
});

Deno.test("compareKeys() orders as the bytes of UTF-8 do", () => {
  const keys = [
    "",
    "a",
    "a-b",
    "a/b",
    "a0",
    "b",
    "ü",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "\u{10000}",
    "\u{10ffff}",
  ];
  assertEquals(keys.toReversed().sort(compareKeys), keys);
});

Deno.test("FileStore takes a folder in the place of an object for no object", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    await store.put("asset/x", streamOf(bytesOf("x")), PUT);
    await assertCode("not_found", () => store.get("asset"));
    await assertCode("not_found", () => store.get("asset/x/y"));
    assertEquals(await store.head("asset"), undefined);
    assertEquals(await store.head("asset/x/y"), undefined);
    await store.delete("asset");
    await store.delete("asset/x/y");
    await assertCode("storage_error", () => store.put("asset", streamOf(bytesOf("x")), PUT));
    await assertCode("storage_error", () => store.put("asset/x/y", streamOf(bytesOf("x")), PUT));
    assertEquals(await tree(root), [".tmp/", "asset/", "asset/x"]);
  });
});

Deno.test("FileStore.list() goes in key order through nested folders and keeps to the prefix", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    assertEquals(await Array.fromAsync(store.list("")), []);
    const keys = ["a-b", "a/b", "a/c/d", "a/c/e", "a/c-", "a0", "b/x", "c"];
    for (const key of keys) await store.put(key, streamOf(bytesOf(key)), PUT);
    const listed = async (prefix: string) =>
      (await Array.fromAsync(store.list(prefix))).map(({ key }) => key);
    for (const prefix of ["", "a", "a/", "a/c", "a/c/", "b/x", "b/xy", "zz", ".tmp/"]) {
      assertEquals(await listed(prefix), keys.toSorted(compareKeys).filter((key) => key.startsWith(prefix)));
    }
    const [first] = await Array.fromAsync(store.list("b"));
    assertEquals(first, await store.head("b/x"));
    assertEquals(first?.sizeBytes, 3);
  });
});

Deno.test("FileStore.listUnfinished() names a running write, and discarding it makes the write fail", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    const goOn = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const body = ReadableStream.from((async function* () {
      yield pattern(10);
      begun.resolve();
      await goOn.promise;
      yield pattern(10);
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
    await store.put("asset/1", streamOf(bytesOf("one")), PUT);
    await Deno.remove(root, { recursive: true });
    assertEquals(await store.head("asset/1"), undefined);
    await store.put("asset/2", streamOf(bytesOf("two")), PUT);
    assertEquals(await read(store, "asset/2"), bytesOf("two"));
  });
});

Deno.test("FileStore.delete() removes folders that became empty, while others write into them", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    await Promise.all(Array.from({ length: 8 }, async (_, index) => {
      const key = `upload/one/${index}`;
      for (let round = 0; round < 10; round++) {
        await store.put(key, streamOf(bytesOf(key)), PUT);
        assertEquals(await read(store, key), bytesOf(key));
        await store.delete(key);
      }
    }));
    assertEquals(await tree(root), [".tmp/", "upload/"]);
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

objectStoreSuite("FileStore", async () => {
  const folder = await Deno.makeTempDir({ prefix: "file_store_test_" });
  return { store: new FileStore(folder), close: () => Deno.remove(folder, { recursive: true }) };
});
