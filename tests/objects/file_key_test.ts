import { assertEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { ServiceError } from "../../src/errors.ts";
import { compareKeys, keySegments } from "../../src/objects/file_key.ts";
import { FileStore } from "../../src/objects/file_store.ts";
import { assertCode, chunksOf, PUT, read, textBytes, tree, withFolder } from "./file_store_fixture.ts";

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
      await assertCode("invalid_request", () => store.put(key, chunksOf(textBytes("x")), PUT));
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
      await store.put(key, chunksOf(textBytes(key)), PUT);
      assertEquals(await read(store, key), textBytes(key));
    }
    assertEquals((await Array.fromAsync(store.list(""))).map(({ key }) => key), keys.toSorted(compareKeys));
    const deep = "d/".repeat(2500) + "x";
    await assertCode("invalid_request", () => store.put(deep, chunksOf(), PUT));
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
