/** A whole server for a test, in this process, on a free port and in a folder of its own. */
import { type Config, readConfig } from "../../src/cli/config.ts";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { assertAllDescribed, knowMode } from "./described_server.ts";

/** A server under test. Dispose of it with `await using`. */
export interface TestServer extends AsyncDisposable {
  /** Without a slash at the end. */
  url: string;
  dataDir: string;
  config: Config;
  /** Stops it, and starts it again on the same folder, perhaps with other settings. The URL changes. */
  restart(settings?: SettingTexts): Promise<void>;
}

/**
 * Starts a server.
 *
 * @param settings flags by their names in `SETTINGS`; the host and port are given
 */
export async function startTestServer(settings: SettingTexts = {}): Promise<TestServer> {
  const dataDir = await Deno.makeTempDir({ prefix: "assets-server-test-" });
  let server: RunningServer;
  const start = async (more: SettingTexts) => {
    const config = readConfig({ port: "0", dataDir, ...settings, ...more }, () => undefined);
    server = await startServer(config);
    knowMode(server.port, config.mode);
    return { config, url: server.url };
  };
  const started = await start({}).catch(async (error) => {
    await Deno.remove(dataDir, { recursive: true });
    throw error;
  });
  const test: TestServer = {
    ...started,
    dataDir,
    async restart(more = {}) {
      await server.stop();
      Object.assign(test, await start(more));
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await Deno.remove(dataDir, { recursive: true });
      await assertAllDescribed();
    },
  };
  return test;
}

/** What an upload says beside the file. */
export interface UploadInput {
  name?: string;
  version?: string;
  tag?: string;
  fileName?: string;
  fileType?: string;
  /** Merged into the metadata. */
  more?: Record<string, unknown>;
}

/** The form of `POST /upload_asset`, metadata first. */
export function uploadForm(bytes: Uint8Array<ArrayBuffer> | string, input: UploadInput = {}): FormData {
  const { name = "Sample", version = "1.0", tag = "initial", fileName = "file.bin", fileType, more } = input;
  const form = new FormData();
  form.set("asset_metadata", JSON.stringify({ asset_name: name, asset_version: { version, tag }, ...more }));
  form.set("asset", new File([bytes], fileName, { type: fileType }));
  return form;
}

/** A JSON request. */
export function json(method: string, body: unknown, headers: Record<string, string> = {}): RequestInit {
  return { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } };
}
