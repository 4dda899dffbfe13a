/** Downloads one file, on from where an earlier process or a lost connection left it, and verifies what came. */
import { createHash, type Hash } from "node:crypto";
import type { AssetsClient } from "../../client/assets_client.ts";
import { ClientError } from "../../client/client_error.ts";
import type { OpenedObject } from "../../client/object_download.ts";
import type { JsonObject } from "../../collection/json.ts";
import { hashOfFile } from "./file_part.ts";
import type { ProgressFile } from "./progress.ts";
import { formatBytes } from "./quantities.ts";
import { Retries, StallGuard } from "./retry.ts";
import type { DownloadTarget } from "./download_target.ts";

/** What is to be downloaded. */
export interface PulledFile {
  /** As it is called in messages. */
  name: string;
  /** The asset's id, or the URL of a file that lives elsewhere. */
  where: string | URL;
  /** In bytes, if the asset says it. */
  sizeBytes: number | undefined;
  /** In hexadecimal digits, if the asset says it. */
  sha256: string | undefined;
}

/** What a download works with. */
export interface PullContext {
  client: AssetsClient;
  signal: AbortSignal;
}

/** What has come. */
export interface PullResult {
  sizeBytes: number;
  sha256: string;
  /** Whether the asset states a SHA-256, which this then is. */
  isVerified: boolean;
  /** How many bytes an earlier try had brought. */
  resumedAt: number;
}

/** One file on its way to a target. */
export class FilePull {
  readonly #file: PulledFile;
  readonly #target: DownloadTarget;
  readonly #context: PullContext;
  readonly #progress: ProgressFile;
  #hash: Hash = createHash("sha256");
  #etag: string | undefined;
  /** How many bytes are there. */
  offset = 0;

  constructor(file: PulledFile, target: DownloadTarget, context: PullContext, progress: ProgressFile) {
    this.#file = file;
    this.#target = target;
    this.#context = context;
    this.#progress = progress;
  }

  /**
   * Downloads it. Whatever is interrupted goes on from there the next time, if the target keeps it.
   *
   * @throws {Error} if what came is not what the asset says; nothing of it is kept
   */
  async run(): Promise<PullResult> {
    let resumedAt = await this.#resume();
    while (true) {
      await this.#receive();
      const problem = this.#problem();
      if (problem === undefined) break;
      // What an earlier process left may have been another file's. Only a whole download tells.
      if (resumedAt === 0) {
        await this.#target.discard();
        throw new Error(`${this.#file.name} is corrupted: ${problem}. ${this.#target.afterDiscard}`);
      }
      resumedAt = 0;
      await this.#restart();
    }
    await this.#target.complete();
    return {
      sizeBytes: this.offset,
      sha256: this.#hash.copy().digest("hex"),
      isVerified: this.#file.sha256 !== undefined,
      resumedAt,
    };
  }

  /** Takes up what is there already. Returns how many bytes that is. */
  async #resume(): Promise<number> {
    const { sha256, sizeBytes = Infinity } = this.#file;
    const partial = await this.#target.partial(this.#identity());
    // The ETag of a stored file is its SHA-256.
    this.#etag = partial.etag ?? (sha256 === undefined ? undefined : `"${sha256}"`);
    if (partial.sizeBytes === 0 || partial.path === undefined) return 0;
    if (this.#etag === undefined || partial.sizeBytes > sizeBytes) {
      await this.#restart();
      return 0;
    }
    this.#progress.phase("checking");
    const onBytes = (bytes: number) => this.#progress.at(bytes);
    const { signal } = this.#context;
    this.#hash = await hashOfFile(partial.path, partial.sizeBytes, { onBytes, signal });
    this.#progress.phase("");
    this.#reached(partial.sizeBytes);
    return partial.sizeBytes;
  }

  /** Fetches until the end, as often as the connection breaks. */
  async #receive(): Promise<void> {
    // Nothing came yet: a server that is not there is not waited for.
    const retries = new Retries();
    let hasBegun = false;
    while (this.offset !== this.#file.sizeBytes || this.offset === 0) {
      const before = this.offset;
      try {
        await this.#receiveRest(() => hasBegun = true);
        return;
      } catch (error) {
        if (error instanceof ClientError && error.code === "range_not_satisfiable" && this.offset > 0) {
          await this.#restart();
          continue;
        }
        if (!hasBegun) throw error;
        if (this.offset > before) retries.progressed();
        await retries.next(error, this.#context.signal);
        if (this.#etag === undefined) await this.#restart();
      }
    }
  }

  async #receiveRest(onBegun: () => void): Promise<void> {
    const { client, signal } = this.#context;
    using guard = new StallGuard();
    const opened = await client.object(this.#file.where, {
      start: this.offset,
      ifRange: this.#etag,
      signal: AbortSignal.any([signal, guard.signal]),
    });
    onBegun();
    if (opened.start !== this.offset) await this.#restart();
    await this.#began(opened);
    for await (const chunk of opened.body) {
      await this.#target.write(chunk);
      this.#hash.update(chunk);
      this.#reached(this.offset + chunk.length);
      guard.moved();
    }
    if (opened.sizeBytes !== undefined && this.offset < opened.sizeBytes) {
      const message = `The connection ended at ${formatBytes(this.offset)} of ${
        formatBytes(opened.sizeBytes)
      }.`;
      throw new ClientError(message, { status: 0, code: "unreachable" });
    }
  }

  async #began({ etag }: OpenedObject): Promise<void> {
    this.#etag = etag;
    await this.#target.began(this.#identity(), etag);
  }

  async #restart(): Promise<void> {
    await this.#target.restart();
    this.#hash = createHash("sha256");
    this.#reached(0);
  }

  #reached(offset: number): void {
    this.offset = offset;
    this.#progress.at(offset);
  }

  /** What is wrong with what came; `undefined` if nothing is. */
  #problem(): string | undefined {
    const { sizeBytes, sha256 } = this.#file;
    if (sizeBytes !== undefined && this.offset !== sizeBytes) {
      return `${this.offset} bytes came, and it has ${sizeBytes}`;
    }
    const came = this.#hash.copy().digest("hex");
    if (sha256 === undefined || came === sha256) return undefined;
    return `its SHA-256 should be ${sha256}, and what came has ${came}`;
  }

  /** What a partial file must be a part of, to be gone on with. */
  #identity(): JsonObject {
    return { where: String(this.#file.where), sha256: this.#file.sha256 ?? null };
  }
}
