/**
 * The Assets DBs that share a KV, and the URLs under which they are reached.
 *
 * | key                          | value          |
 * | ---------------------------- | -------------- |
 * | `["assets_db", assets_db_id]` | `{public_url}` |
 */
import { getLogger } from "@logtape/logtape";
import { asJsonObject } from "../collection/json.ts";
import type { BaseUrls } from "../collection/view/shown_text.ts";

const log = getLogger(["assets-server", "assets"]);

/** How often the URLs of the others are read again, and this one's is announced if that failed. */
const REFRESH_MS = 5000;

/** The owners of the assets of one KV. */
export class Owners {
  readonly #kv: Deno.Kv;
  readonly #ownId: string;
  readonly #ownUrl: () => string;
  readonly #urls = new Map<string, string>();
  /** Ids whose URL is only what an asset of theirs was stored with. */
  readonly #assumed = new Set<string>();
  readonly #etagParts = new Map<string, string>();
  readonly #isShared: boolean;
  #isToBeAnnounced = false;
  #announcing: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: { kv: Deno.Kv; assetsDbId: string; publicUrl: () => string; isShared: boolean }) {
    this.#kv = options.kv;
    this.#ownId = options.assetsDbId;
    this.#ownUrl = options.publicUrl;
    this.#isShared = options.isShared;
    if (options.isShared) this.#timer = setInterval(() => void this.#refresh(), REFRESH_MS);
  }

  /** Reads the URLs of all. While a shared KV is away, those that their assets were stored with stand. */
  async load(): Promise<void> {
    if (this.#isShared) await this.#refresh();
    else await this.#read();
  }

  async #read(): Promise<void> {
    for await (const { key, value } of this.#kv.list<unknown>({ prefix: ["assets_db"] })) {
      const [, id] = key;
      const url = asJsonObject(value).public_url;
      if (typeof id === "string" && typeof url === "string") this.#know(id, url);
    }
  }

  /** Tells the others where this one is reached; where the KV is away, once it is back. */
  announce(): void {
    this.#isToBeAnnounced = true;
    this.#announcing = this.#announce();
  }

  /** The URLs that are known now, by the ids of the Assets DBs. */
  urls(): BaseUrls {
    const url = this.#ownUrl();
    if (this.#urls.get(this.#ownId) !== url) this.#urls.set(this.#ownId, url);
    return this.#urls;
  }

  /** The URL of one of them, if it ever said one. */
  async urlOf(id: string): Promise<string | undefined> {
    const known = this.urls().get(id);
    if (known !== undefined && !this.#assumed.has(id)) return known;
    const { value } = await this.#kv.get<unknown>(ownerKey(id));
    const url = asJsonObject(value).public_url;
    if (typeof url === "string") this.#know(id, url);
    return this.#urls.get(id);
  }

  /** What an asset was stored with, which stands until its owner is heard of. */
  assume(id: string, url: string): void {
    if (id === this.#ownId || this.#urls.has(id)) return;
    this.#urls.set(id, url);
    this.#assumed.add(id);
  }

  /** What of an owner's URL goes into an entity tag: host and path. */
  etagPart(id: string): string {
    const url = this.urls().get(id) ?? "";
    const known = this.#etagParts.get(url);
    if (known !== undefined) return known;
    const part = `-${url.replace(/^https?:\/\//i, "").replaceAll(/[^!#-~]/g, "")}`;
    this.#etagParts.set(url, part);
    return part;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#announcing;
  }

  #know(id: string, url: string): void {
    this.#urls.set(id, url);
    this.#assumed.delete(id);
  }

  async #announce(): Promise<void> {
    try {
      await this.#kv.set(ownerKey(this.#ownId), { public_url: this.#ownUrl() });
      this.#isToBeAnnounced = false;
    } catch (error) {
      log.warn("The other Assets DBs could not be told where this one is: {error}", { error });
    }
  }

  async #refresh(): Promise<void> {
    if (this.#isToBeAnnounced) await this.#announce();
    try {
      await this.#read();
    } catch (error) {
      log.debug("The URLs of the other Assets DBs could not be read: {error}", { error });
    }
  }
}

function ownerKey(id: string): Deno.KvKey {
  return ["assets_db", id];
}
