/** The server that is tried: a process of its own, the things in it that requests name, and what it may have grown by. */
import { assertEquals } from "@std/assert";
import { readConfig } from "../../src/cli/config.ts";
import type { Mode } from "../../src/cli/settings.ts";
import { asJsonObject } from "../../src/collection/json.ts";
import { fsck } from "../maintenance/fixture.ts";
import { json, uploadForm } from "../server/harness.ts";
import { type Program, start } from "../server/program.ts";
import type { Outcome, WireRequest } from "./wire.ts";

const TUS = { "Tus-Resumable": "1.0.0" };
const ASSET = { asset_name: "known", asset_version: { version: "1", tag: "a" }, asset_tags: ["a", "b"] };
const ENTRY = { asset_registry_id: "known", asset_registry_name: "known", asset_registry_public_url: "" };

/** What a process holds. */
export interface Holdings {
  residentMib: number;
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

  /** Starts one; its log holds warnings and errors alone. */
  static async start(mode: Mode): Promise<Subject> {
    const dataDir = await Deno.makeTempDir({ prefix: "fuzz-test-" });
    const flags = ["--mode", mode, "--port", "0", "--data-dir", dataDir, "--log-level", "error"];
    const subject = new Subject(mode, await start([...flags, "--health-interval", "1h"]), dataDir);
    await subject.renew();
    return subject;
  }

  get url(): string {
    return this.#program.url;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
    await Deno.remove(this.#dataDir, { recursive: true });
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
    const script = 'grep VmRSS "/proc/$1/status"; ls "/proc/$1/fd" | wc -l';
    const args = ["-c", script, "sh", String(this.#program.child.pid)];
    const { stdout } = await new Deno.Command("sh", { args }).output();
    const [, kib, descriptors] = /VmRSS:\s+(\d+) kB\n(\d+)/.exec(new TextDecoder().decode(stdout)) ?? [];
    return { residentMib: Number(kib) / 1024, descriptors: Number(descriptors) };
  }

  /** It is well, fsck finds nothing, and it ends as it should, without an error in its log. */
  async assertSound(): Promise<void> {
    assertEquals((await this.#ask("/health")).status, 200);
    const config = readConfig({ mode: this.mode, dataDir: this.#dataDir }, () => undefined);
    assertEquals((await fsck(config, { readsFiles: true })).told, []);
    this.#program.child.kill("SIGTERM");
    assertEquals((await this.#program.child.status).code, 0);
    assertEquals(await this.#program.errors, "");
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
