/**
 * A Deno KV across the network for tests: `denokv`, a KV Connect server on SQLite.
 *
 * By hand: `deno run -A scripts/services/denokv.ts` prints how to reach it and runs until SIGINT or SIGTERM. The program
 * itself is built by `scripts/services/install.sh`.
 */

import { join } from "node:path";
import { freePorts, type Running, ServiceFolder } from "./processes.ts";

/** Where `install.sh` puts the program: `$ASSETS_TEST_CACHE` or `~/.cache/assets-server-tests`, in `bin`. */
export function denokvPath(): string {
  const cache = Deno.env.get("ASSETS_TEST_CACHE") ||
    join(Deno.env.get("HOME") ?? ".", ".cache", "assets-server-tests");
  return join(cache, "bin", "denokv");
}

/** A KV server under a test's control. */
export interface DenokvService extends AsyncDisposable {
  /** For `--db`. */
  readonly url: string;
  readonly port: number;
  /** For `DENO_KV_ACCESS_TOKEN`. */
  readonly token: string;
  readonly pid: number;
  /** Stops it in its tracks: connections stay open and nothing answers. */
  pause(): void;
  /** Lets it go on after `pause`. */
  resume(): void;
  /** Ends it as a crash does; what it has stored stays. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it anew at the same URL, with what it has stored; resolves when it answers. */
  restart(): Promise<void>;
  /** Ends it and removes everything it has stored. */
  stop(): Promise<void>;
}

/** Starts a KV server. Throws an error that says what to do when the program is not there. */
export async function startDenokv(): Promise<DenokvService> {
  const command = denokvPath();
  await Deno.stat(command).catch((cause) => {
    throw new Error(`There is no denokv at ${command}: run scripts/services/install.sh first.`, { cause });
  });
  const [port = 0] = freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const token = crypto.randomUUID();
  const folder = await ServiceFolder.open("denokv");
  const start = async () => {
    const file = join(folder.path, "kv.sqlite");
    const args = ["--sqlite-path", file, "serve", "--access-token", token, "--addr", `127.0.0.1:${port}`];
    const running = await folder.start({ name: "denokv", command, args });
    await folder.untilItAnswers(running, (signal) => askForMetadata(url, token, signal));
    return running;
  };
  let running: Running;
  try {
    running = await start();
  } catch (error) {
    await folder.stop();
    throw error;
  }
  return {
    url,
    port,
    token,
    get pid() {
      return running.pid;
    },
    pause: () => running.signal("SIGSTOP"),
    resume: () => running.signal("SIGCONT"),
    kill: () => running.kill(),
    async restart() {
      await running.kill();
      running = await start();
    },
    stop: () => folder.stop(),
    [Symbol.asyncDispose]: () => folder.stop(),
  };
}

/** The first request of the protocol (KV Connect, "Metadata exchange"). */
function askForMetadata(url: string, token: string, signal: AbortSignal): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "Authorization": `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ supportedVersions: [1, 2, 3] }),
    signal,
  });
}

if (import.meta.main) {
  const service = await startDenokv();
  const { url, token, pid } = service;
  const line = JSON.stringify({ DENO_KV_URL: url, DENO_KV_ACCESS_TOKEN: token, pid });
  await Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
  const { promise: told, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => resolve());
  await told;
  await service.stop();
  Deno.exit(0);
}
