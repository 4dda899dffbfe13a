/** Findings about files, and how they are mended: nothing is deleted, what is taken away lies in `lost+found` then. */
import { jsonBytes } from "../collection/large_value.ts";
import { Truth } from "../collection/truth.ts";
import type { UnfinishedWrite } from "../objects/object_store.ts";
import { type KeptDocument, readDocument } from "./documents.ts";
import type { FileDigest } from "./file_digest.ts";
import type { Finding } from "./finding.ts";
import { type NamedFile, withoutFile } from "./kept.ts";
import { keepAside, moveAside } from "./lost_and_found.ts";
import { forgetDamage } from "./scrub_records.ts";
import type { Site } from "./site.ts";

/** A document whose file is not there. */
export function missingFile(
  owner: KeptDocument,
  { key }: NamedFile,
  { isSuspicious }: { isSuspicious: boolean },
): Finding {
  const finding = {
    kind: "missing_file",
    subject: nameOf(owner),
    problem: `has lost its file ${key}`,
  } as const;
  if (isSuspicious) {
    return {
      ...finding,
      remedy: "does nothing without --force: most files are missing, is it the right store?",
    };
  }
  return {
    ...finding,
    remedy: "keeps the asset without a file, and what it was in lost+found",
    mend: (site) => detach(site, owner),
  };
}

/** A document whose file is another than the one that was stored. */
export function damagedFile(owner: KeptDocument, file: NamedFile, found: FileDigest): Finding {
  const problem = found.sizeBytes === file.sizeBytes || file.sizeBytes === undefined
    ? `has a damaged file ${file.key}: its SHA-256 is ${found.sha256}, not ${file.sha256}`
    : `has a damaged file ${file.key}: it has ${found.sizeBytes} B, not ${file.sizeBytes} B`;
  return {
    kind: "damaged_file",
    subject: nameOf(owner),
    problem,
    remedy: "moves the file to lost+found and keeps the asset without it",
    async mend(site) {
      if (site.store) await moveAside(site.store, file.key);
      return await detach(site, owner);
    },
  };
}

/** A file that no document names. */
export function strayFile(key: string): Finding {
  return {
    kind: "stray_file",
    subject: key,
    problem: "belongs to no asset",
    remedy: "moves it to lost+found",
    mend: async ({ store }) => store !== undefined && await moveAside(store, key),
  };
}

/** A write that nobody goes on with. */
export function unfinishedWrite(write: UnfinishedWrite): Finding {
  return {
    kind: "unfinished_write",
    subject: `${write.key} (${write.writeId})`,
    problem: "is an upload that nobody will finish",
    remedy: "removes what there is of it",
    async mend({ store }) {
      await store?.discardUnfinished(write);
      return store !== undefined;
    },
  };
}

/** The end of a resumable upload that is gone. */
export function strayTail(key: string): Finding {
  return {
    kind: "unfinished_write",
    subject: key,
    problem: "belongs to an upload that nobody will finish",
    remedy: "removes it",
    async mend({ store }) {
      await store?.delete(key);
      return store !== undefined;
    },
  };
}

/** The asset stays, with all that is known of its file, but without one. */
async function detach({ kv, aside, collection, assetsDbId }: Site, owner: KeptDocument): Promise<boolean> {
  const now = await readDocument(kv, collection, owner.id);
  if (!now || "damage" in now || now.versionstamp !== owner.versionstamp) return false;
  await keepAside(aside, `${collection.name}/${owner.id}.json`, new Blob([owner.text]));
  const document = withoutFile(owner.document);
  const unique = collection.uniqueOf(owner.document);
  const { versionstamp, pieces } = owner;
  const change = {
    id: owner.id,
    previous: { versionstamp, pieces, unique },
    next: { bytes: jsonBytes(document), unique: collection.uniqueOf(document) },
  };
  if (!await new Truth(kv, collection.name).commit([change])) return false;
  if (assetsDbId !== undefined) await forgetDamage(kv, assetsDbId, owner.id);
  return true;
}

function nameOf({ id, document: { asset_uri } }: KeptDocument): string {
  return typeof asset_uri === "string" && asset_uri !== "" ? `${asset_uri} (${id})` : id;
}
