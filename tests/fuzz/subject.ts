/** The server that is tried: a process of its own, the things in it that requests name, and what it may have grown by. */
import { assert, assertEquals } from "@std/assert";
import { readConfig } from "../../src/cli/config.ts";
import type { Mode } from "../../src/cli/settings.ts";
import { asJsonObject } from "../../src/collection/json.ts";
import { fsck } from "../maintenance/fixture.ts";
import { json, uploadForm } from "../server/harness.ts";
import { type Program, start } from "../server/program.ts";
import { bytesOf, type Outcome, type WireRequest } from "./wire.ts";

const MOST_MORE_DESCRIPTORS = 12;

/** So long `/livez` is waited for, to tell whether the server answers anybody. */
const MOST_TOLD_MS = 30_000;

const TUS = { "Tus-Resumable": "1.0.0" };
const ASSET = { asset_name: "known", asset_version: { version: "1", tag: "a" }, asset_tags: ["a", "b"] };
const ENTRY = { asset_registry_id: "known", asset_registry_name: "known", asset_registry_public_url: "" };

/** What a process holds. */
export interface Holdings {
  residentMib: number;
  /** Of that, what is its own: neither code nor mapped pages of files. */
  ownMib: number;
  descriptors: number;
}

/** A server under attack. Dispose of it with `await using`. */
export class Subject implements AsyncDisposable {
  readonly mode: Mode;
  readonly #program: Program;
  readonly #dataDir: string;
  readonly #uploads = new Set<string>();
  /** What `@uri@` and the others stand for. */
  #known = new Map<string, string>();

  private constructor(mode: Mode, program: Program, dataDir: string) {
    this.mode = mode;
    this.#program = program;
    this.#dataDir = dataDir;
  }

  /** Starts one, and the threads that it runs long queries on, so that what they hold is there from the beginning. */
  static async start(mode: Mode): Promise<Subject> {
    const dataDir = await Deno.makeTempDir({ prefix: "fuzz-test-" });
    const flags = ["--mode", mode, "--port", "0", "--data-dir", dataDir, "--log-level", "info"];
    const subject = new Subject(mode, await start([...flags, "--health-interval", "1h"]), dataDir);
    await subject.renew();
    const slow = json("POST", { asset_name: { $regex: "x" } });
    if (mode === "assets-db") await Promise.all([1, 2].map(() => subject.#ask("/assets", slow)));
    return subject;
  }

  get url(): string {
    return this.#program.url;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
    await Deno.remove(this.#dataDir, { recursive: true });
  }

  /** Says all that is known of a request that takes long or has failed: its bytes, what the log has of it, whether others are answered. */
  async tellOf(request: WireRequest, problem: string): Promise<void> {
    const [, id = ""] = request.headers.find(([name]) => name === "X-Request-Id") ?? [];
    const startedAt = performance.now();
    const others = await fetch(`${this.url}/livez`, { signal: AbortSignal.timeout(MOST_TOLD_MS) })
      .then(async (response) => `${await response.text()} in ${Math.round(performance.now() - startedAt)} ms`)
      .catch(String);
    const log = this.#program.said().split("\n");
    const lines = [
      `${new Date().toISOString()} ${problem}; /livez: ${others}; ${JSON.stringify(await this.holdings())}`,
      `sent (${request.framing}), as JSON: ${
        JSON.stringify(new TextDecoder("latin1").decode(bytesOf(this.url, request)))
      }`,
      ...log.filter((line) => id !== "" && line.includes(id)),
      ...log.filter((line) => line !== "" && !line.includes("[INF]")).slice(-10),
    ];
    await Deno.stderr.write(new TextEncoder().encode(`${lines.join("\n")}\n`));
  }

  /** The request with the names of what is there. */
  resolved(request: WireRequest): WireRequest {
    const fill = (text: string, change: (name: string) => string) =>
      text.replaceAll(/@(\w+)@/g, (all, name) => change(this.#known.get(name) ?? all));
    return {
      ...request,
      target: fill(request.target, encodeURIComponent),
      headers: request.headers.map(([name, value]) => [name, fill(value, (one) => one)]),
    };
  }

  /** Takes note of uploads that were begun, which are given up in the end. */
  note({ status, headers }: Outcome): void {
    const location = headers.get("Location");
    if (status === 201 && location !== null) this.#uploads.add(location);
  }

  /** Deletes all that requests have made, and makes anew what they name. */
  async renew(): Promise<void> {
    const [list, one, id] = this.mode === "registry"
      ? ["/asset_registries", "/asset_registry/", "asset_registry_id"]
      : ["/assets", "/asset/", "id"];
    const found = await this.#ask(`${list}?include=id`, json("POST", {}));
    const { data } = asJsonObject(found.body);
    for (const document of Array.isArray(data) ? data : []) {
      const name = encodeURIComponent(String(asJsonObject(document)[id]));
      await this.#ask(`${one}${name}`, { method: "DELETE" });
    }
    for (const upload of this.#uploads) {
      await this.#ask(new URL(upload, this.url).pathname, { method: "DELETE", headers: TUS });
    }
    this.#uploads.clear();
    this.#known = this.mode === "registry" ? await this.#makeEntry() : await this.#makeAssets();
  }

  /** Memory and descriptors of the process (proc(5)); Deno itself lets nobody read there without every permission. */
  async holdings(): Promise<Holdings> {
    const script = 'grep -E "VmRSS|RssAnon" "/proc/$1/status"; ls "/proc/$1/fd" | wc -l';
    const args = ["-c", script, "sh", String(this.#program.child.pid)];
    const { stdout } = await new Deno.Command("sh", { args }).output();
    const [, kib, ownKib, descriptors] =
      /VmRSS:\s+(\d+) kB\nRssAnon:\s+(\d+) kB\n(\d+)/.exec(new TextDecoder().decode(stdout)) ?? [];
    return {
      residentMib: Math.round(Number(kib) / 1024),
      ownMib: Math.round(Number(ownKib) / 1024),
      descriptors: Number(descriptors),
    };
  }

  /** It holds no more descriptors than before, but for some connections that stay open; it sees one go a moment later. */
  async assertDescriptors(before: number): Promise<void> {
    let now = Infinity;
    for (let tries = 0; tries < 100 && now > before + MOST_MORE_DESCRIPTORS; tries++) {
      now = (await this.holdings()).descriptors;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert(now <= before + MOST_MORE_DESCRIPTORS, `${before} descriptors before, ${now} after`);
  }

  /** It is well, fsck finds nothing, and it ends as it should, without an error in its log. */
  async assertSound(): Promise<void> {
    assertEquals((await this.#ask("/health")).status, 200);
    const config = readConfig({ mode: this.mode, dataDir: this.#dataDir }, () => undefined);
    assertEquals((await fsck(config, { readsFiles: true })).told, []);
    this.#program.child.kill("SIGTERM");
    assertEquals((await this.#program.child.status).code, 0);
    const log = (await this.#program.errors).split("\n");
    assertEquals(log.filter((line) => line !== "" && !/^[\d-]{10} \S+ \S+ \[(INF|WRN)\]/.test(line)), []);
  }

  async #makeEntry(): Promise<Map<string, string>> {
    await this.#ask("/asset_registry", json("POST", ENTRY));
    const { headers } = await this.#ask("/asset_registry/known");
    const page = await this.#ask("/asset_registries?limit=1", json("POST", {}));
    return new Map([
      ...["entry", "uri", "id", "file"].map((name): [string, string] => [name, "known"]),
      ["etag", headers.get("ETag") ?? ""],
      ["cursor", String(asJsonObject(page.body).next_cursor)],
    ]);
  }

  async #makeAssets(): Promise<Map<string, string>> {
    const made = asJsonObject(asJsonObject((await this.#ask("/asset", json("POST", ASSET))).body).data);
    const form = uploadForm("0123456789", { name: "known file" });
    const uploaded = asJsonObject((await this.#ask("/upload_asset", { method: "POST", body: form })).body);
    const file = String(uploaded.asset_id);
    const { headers } = await this.#ask(`/asset-object/${file}`);
    const page = await this.#ask("/assets?limit=1", json("POST", {}));
    const metadata = `filename Zg==,asset_metadata ${
      btoa(JSON.stringify({ ...ASSET, asset_name: "upload" }))
    }`;
    const begun = await this.#ask("/uploads/", {
      method: "POST",
      headers: { ...TUS, "Upload-Length": "6", "Upload-Metadata": metadata },
    });
    const location = begun.headers.get("Location") ?? "";
    this.#uploads.add(location);
    return new Map([
      ["uri", "known:1-a"],
      ["id", String(made.id)],
      ["file", file],
      ["upload", location.split("/").at(-1) ?? ""],
      ["etag", headers.get("ETag") ?? ""],
      ["cursor", String(asJsonObject(page.body).next_cursor)],
    ]);
  }

  async #ask(path: string, init: RequestInit = {}) {
    const response = await fetch(this.url + path, init);
    const text = await response.text();
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      // Not every answer is JSON.
    }
    return { status: response.status, headers: response.headers, body };
  }
}
