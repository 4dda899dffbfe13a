/** What `push` is to upload: files and folders become files with the names and metadata of their assets. */
import { basename, join, relative, resolve, sep as SEPARATOR } from "node:path";
import { getMimeType } from "hono/utils/mime";
import type { JsonObject } from "../../collection/json.ts";
import { ConfigError } from "../config.ts";
import { fileError } from "./input.ts";

/** One file and the asset that it becomes. */
export interface PlannedFile {
  /** Absolute. */
  path: string;
  /** As the asset is called. */
  name: string;
  /** As the asset will be found. */
  uri: string;
  sizeBytes: number;
  /** Milliseconds since 1970; with the size it tells whether the file is still the same. */
  modifiedMs: number;
  fileName: string;
  fileType: string | undefined;
  /** What `POST /upload_asset` takes, without the checksum. */
  metadata: JsonObject;
}

/** What the flags of `push` say of all files. */
export interface PushDescription {
  /** The name of one file; of several, what their names begin with. */
  name?: string;
  version: string;
  tag: string;
  fileType?: string;
  metadata: JsonObject;
  tags: string[];
  /** Whether files and folders whose names begin with a dot are taken along. */
  includesHidden: boolean;
}

/** The files to be uploaded, and what was left out. */
export interface PushPlan {
  files: PlannedFile[];
  /** Files and folders in the folders given that begin with a dot, or are neither. */
  leftOut: number;
}

/** A file and its name within what was given. */
interface FoundFile {
  path: string;
  relativeName: string;
}

/**
 * Looks for the files.
 *
 * @throws {ConfigError} for a path that is not there, nothing to upload, or two files of the same name
 */
export async function planPush(paths: string[], description: PushDescription): Promise<PushPlan> {
  const plan: PushPlan = { files: [], leftOut: 0 };
  const found: FoundFile[] = [];
  let isOneFile = paths.length === 1;
  for (const path of paths) {
    if (path === "-") {
      throw new ConfigError("push reads each file twice, so - will not do: save it as one first");
    }
    const { isDirectory } = await statOf(path);
    if (!isDirectory) found.push({ path, relativeName: basename(path) });
    else {
      isOneFile = false;
      plan.leftOut += await collect(path, path, found, description.includesHidden);
    }
  }
  if (found.length === 0) {
    throw new ConfigError(`there is no file in ${paths.map((path) => JSON.stringify(path)).join(", ")}`);
  }
  const names = new Map<string, string>();
  for (const file of found) {
    const planned = await planFile(file, description, isOneFile);
    const twin = names.get(planned.name);
    if (twin !== undefined) {
      throw new ConfigError(`${twin} and ${file.path} would both be named ${JSON.stringify(planned.name)}`);
    }
    names.set(planned.name, file.path);
    plan.files.push(planned);
  }
  return plan;
}

/** Adds the files below a folder, in the order of their names; returns how many things were left out. */
async function collect(
  root: string,
  folder: string,
  found: FoundFile[],
  includesHidden: boolean,
): Promise<number> {
  let leftOut = 0;
  const entries = [];
  for await (const entry of Deno.readDir(folder)) entries.push(entry);
  entries.sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isDirectory, isSymlink } of entries) {
    const path = join(folder, name);
    if (name.startsWith(".") && !includesHidden) leftOut++;
    else if (isDirectory) leftOut += await collect(root, path, found, includesHidden);
    // A link to a folder could lead round in a circle.
    else if (isSymlink && !await isLinkToFile(path)) leftOut++;
    else found.push({ path, relativeName: relative(root, path).split(SEPARATOR).join("/") });
  }
  return leftOut;
}

async function isLinkToFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

async function planFile(
  { path, relativeName }: FoundFile,
  description: PushDescription,
  isOneFile: boolean,
): Promise<PlannedFile> {
  const { isFile, size, mtime } = await statOf(path);
  if (!isFile) throw new ConfigError(`${JSON.stringify(path)} is no regular file; save it as one first`);
  const { name = "", version, tag, tags, metadata } = description;
  const assetName = name === ""
    ? relativeName
    : isOneFile
    ? name
    : `${name.replace(/\/+$/, "")}/${relativeName}`;
  const fileName = basename(path);
  return {
    path: resolve(path),
    name: assetName,
    uri: `${assetName}:${version}-${tag}`,
    sizeBytes: size,
    modifiedMs: mtime?.getTime() ?? 0,
    fileName,
    fileType: description.fileType ?? typeOf(fileName),
    metadata: {
      asset_name: assetName,
      asset_version: { version, tag },
      asset_metadata: metadata,
      asset_tags: tags,
    },
  };
}

/** By the file's name. Nobody looked into the file, so nothing is said of its character set. */
function typeOf(fileName: string): string | undefined {
  return getMimeType(fileName)?.split(";", 1)[0];
}

async function statOf(path: string): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    throw fileError(error, path);
  }
}
