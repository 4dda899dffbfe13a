/** A client that does a bit of everything to its own assets, one request after the other, until the server is gone. */
import { AssertionError } from "@std/assert";
import { asJsonObject } from "../../src/collection/json.ts";
import { seededBytes, sha256Of } from "../integration/seeded_bytes.ts";
import { json, uploadForm } from "../server/harness.ts";
import { type Content, Model, type State } from "./model.ts";

/** The server went away in the middle of a request. */
export class Gone extends Error {
  override readonly name = "Gone";
}

/** A resumable upload that has not ended. */
interface OpenUpload {
  name: string;
  url: string;
  content: Content;
  /** What the server has acknowledged. */
  offset: number;
}

const TUS = { "Tus-Resumable": "1.0.0" };
const BULK_LINES = 20;

/** How often each kind of work is chosen, relative to the others. */
const WEIGHTS = {
  upload: 5,
  create: 3,
  bulk: 1,
  tus: 4,
  update: 6,
  rename: 2,
  remove: 4,
  query: 3,
  download: 3,
};
type Kind = keyof typeof WEIGHTS;

/** One client. */
export class Worker {
  readonly model = new Model();
  readonly #id: number;
  readonly #largestBytes: number;
  #url: string;
  #made = 0;
  #open: OpenUpload | undefined;

  /** @param largestBytes of a file */
  constructor(id: number, url: string, largestBytes: number) {
    this.#id = id;
    this.#url = url;
    this.#largestBytes = largestBytes;
  }

  /** The filter that matches its assets. */
  get filter(): { "asset_metadata.worker": number } {
    return { "asset_metadata.worker": this.#id };
  }

  /** Works until the server goes. */
  async run(): Promise<void> {
    try {
      for (;;) await this.#do(pick(WEIGHTS));
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
    }
  }

  async #do(kind: Kind): Promise<void> {
    switch (kind) {
      case "upload":
        return await this.#upload();
      case "create":
        return await this.#create();
      case "bulk":
        return await this.#bulk();
      case "tus":
        return await this.#tus();
      case "update":
        return await this.#update();
      case "rename":
        return await this.#rename();
      case "remove":
        return await this.#remove();
      case "query":
        return await this.#query();
      case "download":
        return await this.#download();
    }
  }

  async #upload(): Promise<void> {
    const content = await this.#content();
    const name = this.#newName();
    const form = uploadForm(bytesOf(content, 0), { name, version: "1", tag: "a", more: this.#metadata(0) });
    await this.#write(name, there(0, "a", content), "/upload_asset", { method: "POST", body: form }, 201);
  }

  async #create(): Promise<void> {
    const name = this.#newName();
    await this.#write(name, there(0, "a", undefined), "/asset", json("POST", this.#body(name)), 201);
  }

  async #bulk(): Promise<void> {
    const names = Array.from({ length: BULK_LINES }, () => this.#newName());
    for (const name of names) this.model.mayBecome(name, there(0, "a", undefined));
    const body = names.map((name) => `${JSON.stringify(this.#body(name))}\n`).join("");
    const headers = { "Content-Type": "application/x-ndjson" };
    const response = await this.#fetch("/assets/bulk", { method: "POST", body, headers });
    let text = "";
    let isGone = false;
    try {
      for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) text += part;
    } catch {
      isGone = true;
    }
    // What was answered before the end counts.
    for (const line of text.split("\n").slice(0, -1)) {
      const { line: number, success } = asJsonObject(JSON.parse(line));
      const name = names[Number(number) - 1];
      if (name === undefined || success !== true) throw new AssertionError(`bulk answered ${line}`);
      this.model.is(name, there(0, "a", undefined));
    }
    if (isGone) throw new Gone();
  }

  /** A step of an upload: its beginning, or one more piece. */
  async #tus(): Promise<void> {
    const open = this.#open ??= await this.#begin();
    if (!await this.#find(open)) return;
    const { name, url, content, offset } = open;
    const left = content.sizeBytes - offset;
    const length = Math.random() < 0.4 ? left : Math.floor(Math.random() * left);
    const isLast = length === left;
    const state = there(0, "a", content);
    if (isLast) this.model.mayBecome(name, state);
    const response = await this.#fetch(url, {
      method: "PATCH",
      headers: { ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" },
      body: bytesOf(content, offset).slice(0, length),
    });
    await this.#expect(response, 204);
    open.offset += length;
    if (!isLast) return;
    this.model.is(name, state);
    this.#open = undefined;
  }

  async #begin(): Promise<OpenUpload> {
    // An empty file would be an asset at once.
    const content = await this.#content({ leastBytes: 1 });
    const name = this.#newName();
    const asset_metadata = JSON.stringify({
      asset_name: name,
      asset_version: { version: "1", tag: "a" },
      ...this.#metadata(0),
    });
    const metadata = Object.entries({ filename: "f.bin", filetype: "application/x-test", asset_metadata })
      .map(([key, value]) => `${key} ${new TextEncoder().encode(value).toBase64()}`).join(",");
    const headers = { ...TUS, "Upload-Length": String(content.sizeBytes), "Upload-Metadata": metadata };
    const response = await this.#fetch("/uploads/", { method: "POST", headers });
    await this.#expect(response, 201);
    const { pathname } = new URL(response.headers.get("Location") ?? "", this.#url);
    return { name, url: pathname, content, offset: 0 };
  }

  /** To be called when the model has been compared with the server: an upload that became an asset has ended. */
  forgetEnded(): void {
    if (this.#open && this.model.statesOf(this.#open.name)[0]?.kind === "there") this.#open = undefined;
  }

  /** Where an upload stands: not behind what was acknowledged. `false` if it has ended. */
  async #find(open: OpenUpload): Promise<boolean> {
    // Where the answer to the last piece was lost, the question makes the asset.
    this.model.mayBecome(open.name, there(0, "a", open.content));
    const response = await this.#fetch(open.url, { method: "HEAD", headers: TUS });
    await this.#expect(response, 200);
    const offset = Number(response.headers.get("Upload-Offset"));
    if (!(offset >= open.offset && offset <= open.content.sizeBytes)) {
      throw new AssertionError(`The upload of ${open.name} stands at ${offset}, and was at ${open.offset}`);
    }
    open.offset = offset;
    if (response.headers.get("Asset-Uri") === null) {
      this.model.isAsBefore(open.name);
      return true;
    }
    this.model.is(open.name, there(0, "a", open.content));
    this.#open = undefined;
    return false;
  }

  async #update(): Promise<void> {
    await this.#change(async (name, before) => {
      const after = { ...before, n: before.n + 1 };
      await this.#write(name, after, assetPath(name, before), json("PUT", { "asset_metadata.n": after.n }));
    });
  }

  async #rename(): Promise<void> {
    await this.#change(async (name, before) => {
      const after = { ...before, tag: before.tag === "a" ? "b" : "a" };
      const changes = { "asset_version.tag": after.tag };
      await this.#write(name, after, assetPath(name, before), json("PUT", changes));
    });
  }

  async #remove(): Promise<void> {
    await this.#change((name, before) =>
      this.#write(name, { kind: "absent" }, assetPath(name, before), { method: "DELETE" })
    );
  }

  /** The server's own index knows at once what it has acknowledged. */
  async #query(): Promise<void> {
    const least = Math.floor(Math.random() * 4);
    const filter = { ...this.filter, "asset_metadata.n": { $gte: least } };
    const response = await this.#fetch("/assets?count=only", json("POST", filter));
    const { count } = asJsonObject(JSON.parse(await this.#expect(response, 200)));
    const expected = this.model.known().filter(({ state }) => state.n >= least).length;
    if (count !== expected) throw new AssertionError(`A query counts ${count} and not ${expected} assets`);
  }

  async #download(): Promise<void> {
    await this.#change((name, before) => this.checkFile(name, before));
  }

  /** Reads an asset and its file, and compares every byte. */
  async checkFile(name: string, { tag, file, n }: State & { kind: "there" }): Promise<void> {
    const response = await this.#fetch(assetPath(name, { tag }));
    const { data } = asJsonObject(JSON.parse(await this.#expect(response, 200)));
    const asset = asJsonObject(data);
    if (asJsonObject(asset.asset_metadata).n !== n) {
      throw new AssertionError(`${name} is ${JSON.stringify(asset)}; n should be ${n}`);
    }
    if (!file) return;
    const download = await this.#fetch(`/asset-object/${asset.asset_id}`);
    if (download.status !== 200) await this.#expect(download, 200);
    const sha256 = await sha256Of(streamOf(download));
    if (sha256 !== file.sha256) throw new AssertionError(`The file of ${name} has other bytes`);
  }

  async #change(change: (name: string, before: State & { kind: "there" }) => Promise<void>): Promise<void> {
    const known = this.model.known();
    const chosen = known[Math.floor(Math.random() * known.length)];
    if (chosen) await change(chosen.name, chosen.state);
  }

  async #write(name: string, after: State, path: string, init: RequestInit, status = 200): Promise<void> {
    this.model.mayBecome(name, after);
    await this.#expect(await this.#fetch(path, init), status);
    this.model.is(name, after);
  }

  async #fetch(path: string, init?: RequestInit): Promise<Response> {
    try {
      return await fetch(this.#url + path, init);
    } catch (error) {
      if (error instanceof TypeError) throw new Gone();
      throw error;
    }
  }

  /** The text of an answer, which must have come whole to count. */
  async #expect(response: Response, status: number): Promise<string> {
    let text;
    try {
      text = await response.text();
    } catch {
      throw new Gone();
    }
    if (response.status === status) return text;
    throw new AssertionError(`${response.url} answered ${response.status}: ${text.slice(0, 500)}`);
  }

  async #content({ leastBytes = 0 } = {}): Promise<Content> {
    const seed = this.#id * 1_000_000 + this.#made;
    // Mostly small, now and then as large as may be.
    const sizeBytes = Math.max(leastBytes, Math.floor(this.#largestBytes * Math.random() ** 4));
    return { seed, sizeBytes, sha256: await sha256Of([seededBytes(seed, 0, sizeBytes)]) };
  }

  #newName(): string {
    return `w${this.#id}-${this.#made++}`;
  }

  #body(name: string) {
    return { asset_name: name, asset_version: { version: "1", tag: "a" }, ...this.#metadata(0) };
  }

  #metadata(n: number) {
    return { asset_metadata: { worker: this.#id, n } };
  }
}

function there(n: number, tag: string, file: Content | undefined): State & { kind: "there" } {
  return { kind: "there", n, tag, file };
}

function bytesOf({ seed, sizeBytes }: Content, start: number): Uint8Array<ArrayBuffer> {
  return seededBytes(seed, start, sizeBytes - start);
}

function assetPath(name: string, { tag }: { tag: string }): string {
  return `/asset/${name}:1-${tag}`;
}

async function* streamOf(response: Response): AsyncGenerator<Uint8Array> {
  try {
    yield* response.body ?? [];
  } catch {
    throw new Gone();
  }
}

function pick<T extends string>(weights: Record<T, number>): T {
  const all = Object.entries<number>(weights);
  let rest = Math.random() * all.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of all) {
    rest -= weight;
    if (rest < 0) return name as T;
  }
  throw new Error("Nothing to pick from");
}
