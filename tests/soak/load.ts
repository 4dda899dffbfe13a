/** Clients that do a bit of everything at a constant rate, bad manners included, while the number of assets stays the same. */
import { asJsonObject } from "../../src/collection/json.ts";
import type { Times } from "../bench/latencies.ts";
import { seededBytes } from "../integration/seeded_bytes.ts";
import { json, uploadForm } from "../server/harness.ts";

const KIB = 1024;
const MIB = KIB * KIB;

/** So many assets there are: what goes beyond is deleted, the oldest first. */
const ASSETS = 1000;
const FILL_LINES = 500;
const BULK_LINES = 20;
const TUS = { "Tus-Resumable": "1.0.0" };

/** How often each kind of work is chosen, relative to the others. */
const WEIGHTS = {
  get: 12,
  notModified: 3,
  query: 8,
  regex: 2,
  sortedPage: 4,
  update: 6,
  create: 3,
  bulk: 0.5,
  upload: 4,
  largeUpload: 0.3,
  tus: 1,
  download: 6,
  range: 4,
  missing: 2,
  badFilter: 2,
  brokenUpload: 0.7,
  brokenDownload: 0.7,
};
type Kind = keyof typeof WEIGHTS;

interface Asset {
  name: string;
  /** Of its file, if it has one. */
  fileId: string | undefined;
}

/** The load on one server. */
export class Load {
  done = 0;
  /** Answers that are not as they have to be, in words. */
  readonly unexpected: string[] = [];
  readonly #url: string;
  readonly #assets: Asset[] = [];
  #made = 0;
  #times = new Map<string, Times>();
  readonly #underWay = new Set<Promise<void>>();

  constructor(url: string) {
    this.#url = url;
  }

  /** Makes the assets that are there from the beginning. */
  async fill(): Promise<void> {
    while (this.#assets.length < ASSETS) await this.#bulk(FILL_LINES);
    for (let n = 0; n < 50; n++) await this.#upload(64 * KIB);
  }

  /** Works until the time is over, and what was begun is done. An operation does not wait for the one before. */
  async run({ rate, untilMs }: { rate: number; untilMs: number }): Promise<void> {
    const startedAt = Date.now();
    for (let n = 1; Date.now() < untilMs; n++) {
      const work = this.#timed(pick());
      this.#underWay.add(work);
      work.finally(() => this.#underWay.delete(work));
      const waitMs = startedAt + n * 1000 / rate - Date.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    await Promise.all(this.#underWay);
  }

  /** How long the work since the last call took, in milliseconds by kind. */
  takeTimes(): Map<string, Times> {
    const times = this.#times;
    this.#times = new Map();
    return times;
  }

  async #timed(kind: Kind): Promise<void> {
    const startedAt = performance.now();
    try {
      await this.#do(kind);
    } catch (error) {
      this.unexpected.push(`${kind}: ${error instanceof Error ? error.message : error}`);
    }
    this.done++;
    const times = this.#times.get(kind) ?? [];
    this.#times.set(kind, times);
    times.push(performance.now() - startedAt);
    await this.#prune();
  }

  async #do(kind: Kind): Promise<unknown> {
    const name = this.#any()?.name ?? "";
    const file = this.#any((asset) => asset.fileId !== undefined)?.fileId ?? "";
    switch (kind) {
      case "get":
        return await this.#ask(`/asset/${name}:1-a`, {}, [200, 404]);
      case "notModified":
        return await this.#ask(`/asset-object/${file}`, { headers: { "If-None-Match": "*" } }, [304, 404]);
      case "query":
        return await this.#query("/assets?limit=20", {
          "asset_metadata.group": Math.floor(Math.random() * 50),
        });
      case "regex":
        return await this.#query("/assets?count=only", { asset_name: { $regex: "(a+)+[0-9]7$" } });
      case "sortedPage":
        return await this.#query("/assets?limit=50&sort=-asset_metadata.n,asset_name&fields=asset_uri", {});
      case "update":
        return await this.#ask(
          `/asset/${name}:1-a`,
          json("PUT", { "asset_metadata.n": Math.random() }),
          [200, 404],
        );
      case "create":
        return await this.#create();
      case "bulk":
        return await this.#bulk(BULK_LINES);
      case "upload":
        return await this.#upload(Math.floor(Math.random() * 256 * KIB));
      case "largeUpload":
        return await this.#upload(8 * MIB);
      case "tus":
        return await this.#tus();
      case "download":
        return await this.#ask(`/asset-object/${file}`, {}, [200, 404]);
      case "range":
        return await this.#ask(`/asset-object/${file}`, { headers: { Range: "bytes=5-99" } }, [
          206,
          404,
          416,
        ]);
      case "missing":
        return await this.#ask(`/asset/nobody:${Math.random()}-a`, {}, [404]);
      case "badFilter":
        return await this.#ask("/assets", json("POST", { $where: "1" }), [400]);
      case "brokenUpload":
        return await this.#brokenUpload();
      case "brokenDownload":
        return await this.#brokenDownload(file);
    }
  }

  async #query(path: string, filter: unknown): Promise<void> {
    await this.#ask(path, json("POST", filter), [200]);
  }

  async #create(): Promise<void> {
    const asset = this.#body();
    await this.#ask("/asset", json("POST", asset), [201]);
    this.#assets.push({ name: asset.asset_name, fileId: undefined });
  }

  async #bulk(lines: number): Promise<void> {
    const assets = Array.from({ length: lines }, () => this.#body());
    const body = assets.map((asset) => `${JSON.stringify(asset)}\n`).join("");
    const headers = { "Content-Type": "application/x-ndjson" };
    const text = await this.#ask("/assets/bulk", { method: "POST", body, headers }, [200]);
    if (text.includes('"success":false')) throw new Error(text.slice(0, 500));
    for (const { asset_name } of assets) this.#assets.push({ name: asset_name, fileId: undefined });
  }

  async #upload(sizeBytes: number): Promise<void> {
    const { asset_name: name, asset_metadata } = this.#body();
    const bytes = seededBytes(this.#made, 0, sizeBytes);
    const form = uploadForm(bytes, { name, version: "1", tag: "a", more: { asset_metadata } });
    const text = await this.#ask("/upload_asset", { method: "POST", body: form }, [201]);
    this.#assets.push({ name, fileId: String(asJsonObject(JSON.parse(text)).asset_id) });
  }

  /** Two pieces, a look between them. */
  async #tus(): Promise<void> {
    const { asset_name, asset_version, asset_metadata } = this.#body();
    const text = JSON.stringify({ asset_name, asset_version, asset_metadata });
    const metadata = `filename Zi5iaW4=,asset_metadata ${new TextEncoder().encode(text).toBase64()}`;
    const bytes = seededBytes(this.#made, 0, 200 * KIB);
    const made = await fetch(`${this.#url}/uploads/`, {
      method: "POST",
      headers: { ...TUS, "Upload-Length": String(bytes.length), "Upload-Metadata": metadata },
    });
    await made.body?.cancel();
    const url = new URL(made.headers.get("Location") ?? "", this.#url);
    const patch = async (start: number, end: number) => {
      const headers = {
        ...TUS,
        "Upload-Offset": String(start),
        "Content-Type": "application/offset+octet-stream",
      };
      const body = bytes.slice(start, end);
      const response = await fetch(url, { method: "PATCH", headers, body });
      await response.body?.cancel();
      if (response.status !== 204) throw new Error(`PATCH answered ${response.status}`);
      return response;
    };
    await patch(0, 100 * KIB);
    await this.#ask(url.pathname, { method: "HEAD", headers: TUS }, [200]);
    const last = await patch(100 * KIB, bytes.length);
    this.#assets.push({ name: asset_name, fileId: last.headers.get("Asset-Id") ?? "" });
  }

  /** The client goes away in the middle of the body. */
  async #brokenUpload(): Promise<void> {
    const { hostname, port } = new URL(this.#url);
    using connection = await Deno.connect({ hostname, port: Number(port) });
    const head = [
      "POST /upload_asset HTTP/1.1",
      "Host: localhost",
      "Content-Type: multipart/form-data; boundary=b",
      "Content-Length: 1000000",
    ].join("\r\n");
    const part = '--b\r\nContent-Disposition: form-data; name="asset"; filename="f"\r\n\r\n';
    const bytes = new TextEncoder().encode(`${head}\r\n\r\n${part}${"x".repeat(100_000)}`);
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
  }

  /** The client goes away when it has seen the beginning. */
  async #brokenDownload(file: string): Promise<void> {
    const response = await fetch(`${this.#url}/asset-object/${file}`);
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
  }

  async #prune(): Promise<void> {
    while (this.#assets.length > ASSETS) {
      const oldest = this.#assets.shift();
      if (!oldest) return;
      const startedAt = performance.now();
      try {
        await this.#ask(`/asset/${oldest.name}:1-a`, { method: "DELETE" }, [200]);
      } catch (error) {
        this.unexpected.push(`remove: ${error instanceof Error ? error.message : error}`);
      }
      const times = this.#times.get("remove") ?? [];
      this.#times.set("remove", times);
      times.push(performance.now() - startedAt);
    }
  }

  /** The text of an answer, whose status must be one of these. */
  async #ask(path: string, init: RequestInit, statuses: number[]): Promise<string> {
    const response = await fetch(this.#url + path, init);
    const text = await response.text();
    if (statuses.includes(response.status)) return text;
    throw new Error(`${init.method ?? "GET"} ${path} answered ${response.status}: ${text.slice(0, 300)}`);
  }

  #any(isFit: (asset: Asset) => boolean = () => true): Asset | undefined {
    const start = Math.floor(Math.random() * this.#assets.length);
    for (let n = 0; n < this.#assets.length; n++) {
      const asset = this.#assets[(start + n) % this.#assets.length];
      if (asset && isFit(asset)) return asset;
    }
    return undefined;
  }

  #body() {
    const n = this.#made++;
    return {
      asset_name: `aaaa-${n}`,
      asset_version: { version: "1", tag: "a" },
      asset_metadata: { n, group: n % 50, text: `text ${n} `.repeat(20) },
      asset_tags: [`tag-${n % 7}`, "soak"],
    };
  }
}

function pick(): Kind {
  const all = Object.entries(WEIGHTS);
  let rest = Math.random() * all.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of all) {
    rest -= weight;
    if (rest < 0 && isKind(name)) return name;
  }
  return "get";
}

function isKind(name: string): name is Kind {
  return name in WEIGHTS;
}
