/** A whole server as a process of its own, which can be killed and started again where it was. */
import { freePorts } from "../../scripts/services/processes.ts";
import { readConfig } from "../../src/cli/config.ts";
import { SETTINGS, type SettingTexts } from "../../src/cli/settings.ts";
import { filesBelow, listAt, query, storeOf } from "../server/client.ts";
import type { TestServer } from "../server/harness.ts";
import { type ServerProcess, startProcess } from "../server/subprocess.ts";

/** A server in another process; its URL and its folder stay the same over restarts. */
export interface ProcessServer extends TestServer {
  readonly pid: number;
  /** Resolves when the process of now has ended, whoever ended it. */
  readonly ended: Promise<unknown>;
  /** The most memory that the process of now has had resident, in bytes (proc_pid_status(5), `VmHWM`). */
  peakMemoryBytes(): Promise<number>;
}

/** Starts the program with these settings in a temporary folder. `restart` is by SIGKILL. */
export async function startProcessServer(settings: SettingTexts = {}): Promise<ProcessServer> {
  const dataDir = await Deno.makeTempDir({ prefix: "assets-server-test-" });
  const [port = 0] = freePorts(1);
  let process: ServerProcess;
  let config = readConfig({ dataDir, ...settings }, () => undefined);
  const start = async (more: SettingTexts = {}) => {
    const texts = { dataDir, ...settings, ...more };
    config = readConfig(texts, () => undefined);
    process = await startProcess([], { env: environment(texts), port });
  };
  await start();
  return {
    url: `http://127.0.0.1:${port}`,
    dataDir,
    get config() {
      return config;
    },
    get pid() {
      return process.child.pid;
    },
    get ended() {
      return process.child.status;
    },
    async peakMemoryBytes() {
      // Deno itself lets nobody read there without all permissions.
      const { stdout } = await new Deno.Command("cat", { args: [`/proc/${process.child.pid}/status`] })
        .output();
      const status = new TextDecoder().decode(stdout);
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) * 1024;
    },
    async restart(more) {
      await kill(process);
      await start(more);
    },
    async [Symbol.asyncDispose]() {
      await kill(process);
      await Deno.remove(dataDir, { recursive: true });
    },
  };
}

/** Whatever a server has: its documents, and what lies in its store under any of these keys, finished or not. */
export async function everythingIn(
  server: TestServer,
  keys: readonly string[],
): Promise<{ documents: number; stored: string[] }> {
  const documents = listAt((await query(server, {})).body, "data").length;
  if (!server.config.s3) {
    const root = `${server.dataDir}/objects`;
    return { documents, stored: (await filesBelow(root)).map((path) => path.slice(root.length + 1)) };
  }
  const store = await storeOf(server);
  const stored: string[] = [];
  for await (const { key } of store.list("")) stored.push(key);
  // MinIO lists unfinished writes by whole keys only.
  for (const prefix of ["", ...keys]) {
    for await (const { key, writeId } of store.listUnfinished(prefix)) stored.push(`${key} ${writeId}`);
  }
  return { documents, stored };
}

async function kill(process: ServerProcess): Promise<void> {
  try {
    await process.end("SIGKILL");
  } catch (error) {
    // It was killed already.
    if (!(error instanceof TypeError)) throw error;
    await process.child.status;
  }
}

/** Settings as environment variables, which all of them have; flags would show the keys of S3 to everybody. */
function environment(settings: SettingTexts): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, { env }] of Object.entries(SETTINGS)) {
    const value = Object.entries(settings).find(([given]) => given === name)?.[1];
    if (value !== undefined) variables[env] = value;
  }
  return variables;
}
