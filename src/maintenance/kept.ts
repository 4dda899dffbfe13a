/** What of a collection the maintenance commands know: its keys, its unique values, its files, its index. */
import { uniqueOf as uniqueOfAsset } from "../assets/service.ts";
import type { Mode } from "../cli/settings.ts";
import { asJsonObject, type JsonObject } from "../collection/json.ts";
import type { UniqueValue } from "../collection/truth.ts";
import { uniqueOf as uniqueOfEntry } from "../registry/service.ts";

/** A file as its document describes it. */
export interface NamedFile {
  /** In the object store. */
  key: string;
  /** The Assets DB whose store has it. */
  assetsDbId: string;
  fileType: string;
  sizeBytes: number | undefined;
  /** In hexadecimal digits. */
  sha256: string | undefined;
}

/** The documents of one mode. */
export interface KeptCollection {
  /** Its name in the keys of the KV. */
  name: string;
  /** One document, for people. */
  noun: "asset" | "entry";
  plural: "assets" | "entries";
  /** The file of the index in the data folder. */
  viewFile: string;
  uniqueOf: (document: JsonObject) => UniqueValue[];
  fileOf: (document: JsonObject) => NamedFile | undefined;
  /** The document and what is beside it as the index has them, but for what depends on running servers. */
  viewOf: (document: JsonObject) => { document: JsonObject; hidden: string | null };
  liveField?: string;
}

/** Where the files of assets lie in an object store. */
export const FILES_PREFIX = "asset/";

const ASSETS: KeptCollection = {
  name: "assets",
  noun: "asset",
  plural: "assets",
  viewFile: "assets.view.sqlite",
  uniqueOf: uniqueOfAsset,
  fileOf,
  viewOf({ _object, ...document }) {
    return { document, hidden: _object ? JSON.stringify(_object) : null };
  },
  liveField: "asset_public_url",
};

const ENTRIES: KeptCollection = {
  name: "registries",
  noun: "entry",
  plural: "entries",
  viewFile: "registry.view.sqlite",
  uniqueOf: uniqueOfEntry,
  fileOf: () => undefined,
  viewOf: (document) => ({ document, hidden: null }),
};

/** What a server of this mode keeps. */
export function keptBy(mode: Mode): KeptCollection {
  return mode === "registry" ? ENTRIES : ASSETS;
}

/** The asset without its file: what is known of it stays, but that it is here. */
export function withoutFile(document: JsonObject): JsonObject {
  return { ...document, asset_public_url: "", _object: null };
}

function fileOf(document: JsonObject): NamedFile | undefined {
  const { key } = asJsonObject(document._object);
  if (typeof key !== "string") return undefined;
  const { file_size, file_type, sha256 } = asJsonObject(document.asset_file_info);
  return {
    key,
    assetsDbId: String(document.assets_db_id),
    fileType: typeof file_type === "string" ? file_type : "application/octet-stream",
    sizeBytes: typeof file_size === "number" ? file_size : undefined,
    sha256: typeof sha256 === "string" && sha256 !== "" ? sha256 : undefined,
  };
}
