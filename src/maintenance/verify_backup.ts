/** Reads a backup to its end and says whether it is whole, before anything is made of it. */
import { createHash } from "node:crypto";
import {
  CHANGES,
  DOCUMENTS,
  type Head,
  HEAD_NAME,
  type Line,
  type Manifest,
  MANIFEST_NAME,
  OBJECTS,
  parseHead,
  parseLines,
  parseManifest,
} from "./archive.ts";
import { keptBy, type KeptCollection } from "./kept.ts";
import { readMember, readTar, type TarMember } from "./tar_file.ts";

/** The most bytes of a member that is held as a whole. A manifest may name many documents. */
export const MAX_HELD_BYTES = 256 * 1024 * 1024;

/** A backup that is whole. */
export interface VerifiedBackup {
  head: Head;
  manifest: Manifest;
  /** What became of documents that changed while the backup was made, by their ids. */
  changes: Map<string, Line>;
}

/**
 * Reads all of a backup and compares it with its manifest and its checksums.
 *
 * @param onBytes told how many bytes have been read
 * @throws {Error} with a sentence that says what is wrong with it
 */
export async function verifyBackup(
  path: string,
  options: { onBytes: (count: number) => void; signal?: AbortSignal },
): Promise<VerifiedBackup> {
  const reading = new Reading();
  try {
    for await (const member of readTar(path, options.onBytes)) {
      options.signal?.throwIfAborted();
      await reading.take(member);
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof Deno.errors.NotFound) throw new Error(`There is no file ${path}.`);
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} cannot be restored. ${message}`);
  }
  try {
    return reading.end();
  } catch (error) {
    throw new Error(`${path} cannot be restored. ${error instanceof Error ? error.message : error}`);
  }
}

/** What has been read so far. */
class Reading {
  #head: Head | undefined;
  #manifest: Manifest | undefined;
  #collection: KeptCollection | undefined;
  readonly #changes = new Map<string, Line>();
  readonly #hash = createHash("sha256");
  /** The files of the last member of documents: their checksums and whose they are. */
  #files = new Map<string, { id: string; sha256: string | undefined }>();
  readonly #damaged: string[] = [];
  #documents = 0;
  #objects = 0;
  #objectBytes = 0;

  async take(member: TarMember): Promise<void> {
    const { name } = member;
    if (this.#manifest) throw new Error(`It is damaged: ${name} comes after the manifest.`);
    if (!this.#head) {
      if (name !== HEAD_NAME) throw new Error("It is no backup of an assets-server.");
      this.#head = parseHead(await readMember(member, MAX_HELD_BYTES));
      this.#collection = keptBy(this.#head.mode === "registry" ? "registry" : "assets-db");
    } else if (name === MANIFEST_NAME) {
      this.#manifest = parseManifest(await readMember(member, MAX_HELD_BYTES));
    } else if (name.startsWith(OBJECTS)) await this.#takeFile(member);
    else if (name.startsWith(DOCUMENTS) || name.startsWith(CHANGES)) await this.#takeDocuments(member);
    else throw new Error(`It is damaged: nothing is known of ${name}.`);
  }

  end(): VerifiedBackup {
    const head = this.#head;
    const manifest = this.#manifest;
    if (!head) throw new Error("It is no backup of an assets-server.");
    if (!manifest) throw new Error("It is not whole: the manifest at its end is missing.");
    const is = {
      documents: this.#documents,
      objects: this.#objects,
      object_bytes: this.#objectBytes,
      documents_sha256: this.#hash.digest("hex"),
    };
    for (const [what, value] of Object.entries(is)) {
      const said = Object.entries(manifest).find(([name]) => name === what)?.[1];
      if (said !== value) {
        throw new Error(`It is damaged: its ${what} is ${value}, the manifest says ${said}.`);
      }
    }
    const known = new Set(manifest.incomplete);
    const damaged = this.#damaged.find((id) => !known.has(id));
    if (damaged !== undefined) throw new Error(`It is damaged: the file of ${damaged} has another checksum.`);
    return { head, manifest, changes: this.#changes };
  }

  async #takeDocuments(member: TarMember): Promise<void> {
    const bytes = await readMember(member, MAX_HELD_BYTES);
    this.#hash.update(bytes);
    this.#files = new Map();
    for (const line of parseLines(bytes, member.name)) {
      this.#documents++;
      if (member.name.startsWith(CHANGES)) this.#changes.set(line.id, line);
      const file = line.document && this.#collection?.fileOf(line.document);
      if (file) this.#files.set(file.key, { id: line.id, sha256: file.sha256 });
    }
  }

  async #takeFile({ name, body }: TarMember): Promise<void> {
    const owner = this.#files.get(name.slice(OBJECTS.length));
    if (!owner) throw new Error(`It is damaged: ${name} belongs to no document before it.`);
    const hash = createHash("sha256");
    for await (const chunk of body) {
      hash.update(chunk);
      this.#objectBytes += chunk.length;
    }
    this.#objects++;
    if (owner.sha256 !== undefined && hash.digest("hex") !== owner.sha256) this.#damaged.push(owner.id);
  }
}
