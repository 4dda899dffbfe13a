/** The data of a server that has stopped, for the maintenance commands to work on. */
import { type Config, readConfig } from "../../src/cli/config.ts";
import type { SettingTexts } from "../../src/cli/settings.ts";
import type { Finding } from "../../src/maintenance/finding.ts";
import { check, type Outcome, repair, type Result } from "../../src/maintenance/fsck.ts";
import { holdSite, readSite } from "../../src/maintenance/site.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { uploadForm } from "../server/harness.ts";

/** A data folder. Dispose of it with `await using`. */
export interface Data extends AsyncDisposable {
  dataDir: string;
  config: Config;
  /** Runs a server on it for the time of some work. */
  serve<T>(work: (url: string) => Promise<T>, more?: SettingTexts): Promise<T>;
  /** Opens the KV for the time of some work. */
  damage(work: (kv: Deno.Kv) => Promise<void>): Promise<void>;
}

/** What a check said. */
export interface Checked extends Result {
  /** The kinds that were found, in their order. */
  kinds: string[];
  told: { finding: Finding; outcome: Outcome }[];
}

/** Makes a folder without anything. */
export async function makeData(settings: SettingTexts = {}): Promise<Data> {
  const dataDir = await Deno.makeTempDir({ prefix: "maintenance-test-" });
  const texts = { dataDir, port: "0", ...settings };
  const config = readConfig(texts, () => undefined);
  return {
    dataDir,
    config,
    async serve(work, more = {}) {
      const server: RunningServer = await startServer(readConfig({ ...texts, ...more }, () => undefined));
      try {
        return await work(server.url);
      } finally {
        await server.stop();
      }
    },
    async damage(work) {
      const kv = await Deno.openKv(config.db);
      try {
        await work(kv);
      } finally {
        kv.close();
      }
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(dataDir, { recursive: true });
    },
  };
}

/** Makes a folder with the assets `A0`, `A1` … and their files; their ids. */
export async function makeAssets(count: number): Promise<Data & { ids: string[] }> {
  const data = await makeData();
  const ids = await data.serve((url) =>
    Promise.all(Array.from({ length: count }, (_, n) => upload(url, `A${n}`, `content of ${n}`)))
  );
  return Object.assign(data, { ids });
}

/** Uploads a file; the asset's id. */
export async function upload(url: string, name: string, content: string): Promise<string> {
  const response = await fetch(`${url}/upload_asset`, {
    method: "POST",
    body: uploadForm(content, { name, fileType: "text/plain" }),
  });
  const { asset_id } = await response.json();
  return String(asset_id);
}

/** Checks, as `fsck` does. */
export async function fsck(
  config: Config,
  { repairs = false, readsFiles = false, isForced = false } = {},
): Promise<Checked> {
  await using site = await (repairs ? holdSite(config) : readSite(config));
  const told: Checked["told"] = [];
  const progress = { documents: () => {}, bytes: () => {} };
  const result = await (repairs ? repair : check)(
    site,
    { readsFiles, isForced, progress },
    (finding, outcome) => {
      told.push({ finding, outcome });
      return Promise.resolve();
    },
  );
  return { ...result, told, kinds: told.map(({ finding }) => finding.kind) };
}
