import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { diskFs, type DurableFs } from "../../src/objects/durable_fs.ts";
import { compareKeys } from "../../src/objects/file_key.ts";
import { FileStore } from "../../src/objects/file_store.ts";
import {
  assertCode,
  chunksOf,
  fsWritingThrough,
  PUT,
  read,
  textBytes,
  tree,
  withFolder,
} from "./file_store_fixture.ts";
import { objectStoreSuite, patternBytes } from "./object_store_suite.ts";

Deno.test("FileStore.put() stores the bytes at <root>/<key> and leaves no temporary file", async () => {
  await withFolder(async (root) => {
    const bytes = patternBytes(1_000_003);
    const chunks = [bytes.subarray(0, 10), bytes.subarray(10, 700_000), bytes.subarray(700_000)];
    const stored = await new FileStore(root).put("asset/a b:ü", chunksOf(...chunks), PUT);
    assertEquals(stored, { sizeBytes: bytes.byteLength });
    assertEquals(await Deno.readFile(join(root, "asset", "a b:ü")), bytes);
    assertEquals(await tree(root), [".tmp/", "asset/", "asset/a b:ü"]);
  });
});

Deno.test("FileStore.put() makes the root and stores an empty object", async () => {
  await withFolder(async (folder) => {
    const store = new FileStore(join(folder, "not", "there", "yet"));
    assertEquals(await store.put("asset/empty", chunksOf(), PUT), { sizeBytes: 0 });
    assertEquals((await read(store, "asset/empty")).byteLength, 0);
    assertEquals((await store.head("asset/empty"))?.sizeBytes, 0);
  });
});

Deno.test("FileStore.put() writes all bytes to a file that takes only some of them at a time", async () => {
  await withFolder(async (root) => {
    const fs = fsWritingThrough((file, bytes) =>
      file.write(bytes.subarray(0, Math.ceil(bytes.byteLength / 3)))
    );
    const bytes = patternBytes(600_001);
    await new FileStore(root, { fs }).put("asset/x", chunksOf(bytes), PUT);
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
      openFile: diskFs.openFile,
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
    await store.put("asset/1", chunksOf(textBytes("one")), PUT);
    assertEquals(calls.splice(0), [
      "create /objects/.tmp/<id>/asset/1",
      "sync file",
      "sync /objects/",
      "sync /",
      "rename /objects/.tmp/<id>/asset/1 /objects/asset/1",
      "sync /objects/asset/",
    ]);
    await store.put("asset/2", chunksOf(textBytes("two")), PUT);
    assertEquals(calls, [
      "create /objects/.tmp/<id>/asset/2",
      "sync file",
      "rename /objects/.tmp/<id>/asset/2 /objects/asset/2",
      "sync /objects/asset/",
    ]);
  });
});

Deno.test("FileStore.put() of one key many times at once leaves one of the objects, whole", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    const bodies = Array.from({ length: 12 }, (_, index) => patternBytes(400_000 + index, index + 1));
    await Promise.all(bodies.map((bytes) => store.put("asset/x", chunksOf(bytes), PUT)));
    const stored = await read(store, "asset/x");
    assertEquals(stored, bodies.find((bytes) => bytes.byteLength === stored.byteLength));
    assertEquals(await tree(root), [".tmp/", "asset/", "asset/x"]);
  });
});

Deno.test("FileStore.get() gives the old bytes whole to a reader while the object is replaced and deleted", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    const old = patternBytes(900_000, 3);
    await store.put("asset/x", chunksOf(old), PUT);
    for (const range of [undefined, { start: 0, end: old.byteLength - 1 }]) {
      const reader = (await store.get("asset/x", { range })).getReader();
      const chunks = [await reader.read()];
      await store.put("asset/x", chunksOf(textBytes("new")), PUT);
      await store.delete("asset/x");
      while (!chunks.at(-1)?.done) chunks.push(await reader.read());
      const parts = chunks.flatMap((chunk) => chunk.value === undefined ? [] : [new Uint8Array(chunk.value)]);
      assertEquals(new Uint8Array(await new Blob(parts).arrayBuffer()), old);
      await store.put("asset/x", chunksOf(old), PUT);
    }
  });
});

Deno.test("FileStore.get() gives exactly the bytes of a range", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    const bytes = patternBytes(600_000);
    await store.put("asset/x", chunksOf(bytes), PUT);
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
    const bytes = patternBytes(3_000_000);
    await store.put("asset/x", chunksOf(bytes), PUT);
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
    await store.put("asset/x", chunksOf(patternBytes(900_000)), PUT);
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

Deno.test("FileStore takes a folder in the place of an object for no object", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    await store.put("asset/x", chunksOf(textBytes("x")), PUT);
    await assertCode("not_found", () => store.get("asset"));
    await assertCode("not_found", () => store.get("asset/x/y"));
    assertEquals(await store.head("asset"), undefined);
    assertEquals(await store.head("asset/x/y"), undefined);
    await store.delete("asset");
    await store.delete("asset/x/y");
    await assertCode("storage_error", () => store.put("asset", chunksOf(textBytes("x")), PUT));
    await assertCode("storage_error", () => store.put("asset/x/y", chunksOf(textBytes("x")), PUT));
    assertEquals(await tree(root), [".tmp/", "asset/", "asset/x"]);
  });
});

Deno.test("FileStore.list() goes in key order through nested folders and keeps to the prefix", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    assertEquals(await Array.fromAsync(store.list("")), []);
    const keys = ["a-b", "a/b", "a/c/d", "a/c/e", "a/c-", "a0", "b/x", "c"];
    for (const key of keys) await store.put(key, chunksOf(textBytes(key)), PUT);
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

Deno.test("FileStore.delete() removes folders that became empty, while others write into them", async () => {
  await withFolder(async (root) => {
    const store = new FileStore(root);
    await Promise.all(Array.from({ length: 8 }, async (_, index) => {
      const key = `upload/one/${index}`;
      for (let round = 0; round < 10; round++) {
        await store.put(key, chunksOf(textBytes(key)), PUT);
        assertEquals(await read(store, key), textBytes(key));
        await store.delete(key);
      }
    }));
    assertEquals(await tree(root), [".tmp/", "upload/"]);
  });
});

objectStoreSuite("FileStore", async () => {
  const folder = await Deno.makeTempDir({ prefix: "file_store_test_" });
  return { store: new FileStore(folder), close: () => Deno.remove(folder, { recursive: true }) };
});
