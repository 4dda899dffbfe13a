/** Files below a folder in key order, without holding more than one folder's names on each level. */

import { join } from "node:path";
import { isMissing, onDisk } from "./durable_fs.ts";
import { compareKeys } from "./file_key.ts";

/** How many files are looked at together. */
const STAT_BATCH = 64;

/** A file and its key: its path from the top, with `/`. */
export interface FoundFile {
  key: string;
  info: Deno.FileInfo;
}

/**
 * The files below `top` whose key starts with `prefix`, in the order of their keys' code points. `skip` names a folder
 * right in `top` that is left out. What is removed meanwhile may be missing; a folder that is not there is empty.
 *
 * Throws `ServiceError("storage_error")` when the disk fails.
 */
export function listFiles(
  top: string,
  prefix: string,
  options: { skip?: string } = {},
): AsyncGenerator<FoundFile, void, undefined> {
  return walk(top, "", prefix, options.skip);
}

async function* walk(
  folder: string,
  folderKey: string,
  prefix: string,
  skip?: string,
): AsyncGenerator<FoundFile, void, undefined> {
  const keys = await onDisk("a folder was listed", matchingKeys(folder, folderKey, prefix, skip));
  let files: string[] = [];
  for (const key of keys) {
    const isFolder = key.endsWith("/");
    if (!isFolder) files.push(key);
    if (isFolder || files.length === STAT_BATCH) {
      yield* lookAt(folder, folderKey, files);
      files = [];
    }
    if (isFolder) yield* walk(join(folder, key.slice(folderKey.length, -1)), key, prefix);
  }
  yield* lookAt(folder, folderKey, files);
}

/**
 * Sorted keys of the files and, with a slash at the end, of the folders that may matter. The slash takes part in the
 * order: `a-b` comes before what lies in `a/`.
 */
async function matchingKeys(
  folder: string,
  folderKey: string,
  prefix: string,
  skip?: string,
): Promise<string[]> {
  const keys: string[] = [];
  try {
    for await (const { name, isFile, isDirectory } of Deno.readDir(folder)) {
      if (name === skip) continue;
      const key = folderKey + name;
      if (isFile && key.startsWith(prefix)) keys.push(key);
      if (isDirectory && (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`))) keys.push(`${key}/`);
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return keys.sort(compareKeys);
}

/** What the system says of each file that is still there. */
async function* lookAt(
  folder: string,
  folderKey: string,
  keys: string[],
): AsyncGenerator<FoundFile, void, undefined> {
  const infos = await onDisk(
    "a file was looked at",
    Promise.all(keys.map((key) => statIfThere(join(folder, key.slice(folderKey.length))))),
  );
  for (const [index, key] of keys.entries()) {
    const info = infos[index];
    if (info?.isFile) yield { key, info };
  }
}

async function statIfThere(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
