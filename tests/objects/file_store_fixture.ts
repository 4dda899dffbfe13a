/** What the tests of the file store share. */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { ServiceError } from "../../src/errors.ts";
import { diskFs, type DurableFs, type WritableFile } from "../../src/objects/durable_fs.ts";
import type { FileStore } from "../../src/objects/file_store.ts";
import { bytesOf } from "./object_store_suite.ts";

/** Put options where the type does not matter. */
export const PUT = { contentType: "application/octet-stream" };

/** A folder for one test, gone with it. */
export async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "file_store_test_" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The text in UTF-8. */
export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A stream of just these chunks. */
export function chunksOf(...chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks);
}

/** All bytes of an object, or of a range of it. */
export async function read(
  store: FileStore,
  key: string,
  range?: { start: number; end: number },
): Promise<Uint8Array> {
  return await bytesOf(await store.get(key, { range }));
}

/** Every file and, with a slash at the end, folder below `folder`, sorted. */
export async function tree(folder: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(join(folder, below))) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    found.push(entry.isDirectory ? `${path}/` : path);
    if (entry.isDirectory) found.push(...await tree(folder, path));
  }
  return found.sort();
}

/** Asserts that the call fails as a `ServiceError` with this code. */
export async function assertCode(code: string, call: () => Promise<unknown>): Promise<void> {
  const error = await assertRejects(call, ServiceError);
  assertEquals(error.code, code);
}

/** The real file system with some calls replaced. */
export function fsWith(calls: Partial<DurableFs>): DurableFs {
  return { ...diskFs, ...calls };
}

/** The real file system, but writes go through `write`. */
export function fsWritingThrough(
  write: (file: WritableFile, bytes: Uint8Array) => Promise<number>,
): DurableFs {
  return fsWith({
    async createFile(path) {
      const file = await diskFs.createFile(path);
      return { write: (bytes) => write(file, bytes), sync: () => file.sync(), close: () => file.close() };
    },
  });
}

/** An error as Deno makes them of the system's. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code} (os error)`), { code });
}
