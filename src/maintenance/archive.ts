/**
 * The form of a backup: a plain tar that other tools can read.
 *
 * | member                     | what                                                                          |
 * | -------------------------- | ----------------------------------------------------------------------------- |
 * | `backup.json`              | what it is a backup of ({@link Head})                                          |
 * | `documents/000001.ndjson`  | some documents, one a line: `{"id":…,"document":…}`, as they are stored        |
 * | `objects/<key>`            | the files of the documents in the member before, with `--objects`             |
 * | `changes/000001.ndjson`    | what changed while the documents were read; without `document` it was removed |
 * | `manifest.json`            | what must have come before ({@link Manifest}); without it the end is missing  |
 *
 * Documents, their files, the next documents and so on: so either side holds one member of documents at a time.
 */
import { asJsonObject, isJsonObject, type JsonObject } from "../collection/json.ts";

/** What `format` says. */
export const FORMAT = "assets-server backup";
export const VERSION = 1;

export const HEAD_NAME = "backup.json";
export const MANIFEST_NAME = "manifest.json";
export const DOCUMENTS = "documents/";
export const CHANGES = "changes/";
export const OBJECTS = "objects/";

/** The most that one member of documents holds. */
export const MAX_MEMBER_BYTES = 4 * 1024 * 1024;
export const MAX_MEMBER_DOCUMENTS = 500;

/** What a backup is of. */
export interface Head {
  format: typeof FORMAT;
  version: number;
  mode: string;
  /** None of a registry. */
  assets_db_id: string | null;
  created_at: string;
  /** Whether the files are in it. */
  has_objects: boolean;
}

/** What a backup holds. */
export interface Manifest {
  /** Lines of all members of documents and of changes. */
  documents: number;
  objects: number;
  object_bytes: number;
  /** Of all members of documents and of changes, one behind the other, in hexadecimal digits. */
  documents_sha256: string;
  /** Ids of documents that were removed while their files were read: they are to be left out. */
  removed: string[];
  /** Ids of documents whose files were missing or damaged already. */
  incomplete: string[];
}

/** A document in a backup; without `document` it was removed. */
export interface Line {
  id: string;
  document?: JsonObject;
}

/** The line of a document whose JSON is at hand. */
export function lineOf(id: string, text?: string): string {
  return text === undefined
    ? `${JSON.stringify({ id })}\n`
    : `{"id":${JSON.stringify(id)},"document":${text}}\n`;
}

/**
 * The documents of a member.
 *
 * @throws {Error} if it holds anything else
 */
export function parseLines(bytes: Uint8Array, member: string): Line[] {
  const lines = new TextDecoder().decode(bytes).split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const { id, document } = parseObject(line, member);
    if (typeof id !== "string" || !(document === undefined || isJsonObject(document))) throw notOurs(member);
    return { id, document };
  });
}

/** @throws {Error} if it is not the head of a backup that this version can read */
export function parseHead(bytes: Uint8Array): Head {
  const head = parseObject(new TextDecoder().decode(bytes), HEAD_NAME);
  const { format, version, mode, assets_db_id, created_at, has_objects } = head;
  if (format !== FORMAT) throw new Error("It is no backup of an assets-server.");
  if (version !== VERSION) {
    throw new Error(`It is a backup of version ${version}; this program reads ${VERSION}.`);
  }
  return {
    format,
    version,
    mode: String(mode),
    assets_db_id: typeof assets_db_id === "string" ? assets_db_id : null,
    created_at: String(created_at),
    has_objects: has_objects === true,
  };
}

/** @throws {Error} if it is no manifest */
export function parseManifest(bytes: Uint8Array): Manifest {
  const manifest = parseObject(new TextDecoder().decode(bytes), MANIFEST_NAME);
  const { documents, objects, object_bytes, documents_sha256, removed, incomplete } = manifest;
  if (typeof documents !== "number" || typeof objects !== "number" || typeof object_bytes !== "number") {
    throw notOurs(MANIFEST_NAME);
  }
  return {
    documents,
    objects,
    object_bytes,
    documents_sha256: String(documents_sha256),
    removed: strings(removed),
    incomplete: strings(incomplete),
  };
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

function parseObject(text: string, member: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (isJsonObject(value)) return asJsonObject(value);
  } catch {
    // Said below.
  }
  throw notOurs(member);
}

function notOurs(member: string): Error {
  return new Error(`The backup is damaged: ${member} is not what it should be.`);
}
