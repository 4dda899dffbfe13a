/** The program itself, as a process of its own. */
import { fileURLToPath } from "node:url";

/** A server in another process. */
export interface ServerProcess {
  url: string;
  child: Deno.ChildProcess;
  /** Ends it by a signal and waits until it is gone. */
  end(signal: Deno.Signal): Promise<Deno.CommandStatus>;
}

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** What a process is started with beside its flags. */
export interface ProcessOptions {
  /** Added to our own environment. */
  env?: Record<string, string>;
  /** 0 picks a free one; a server that is started again at the same URL needs another. */
  port?: number;
}

/** Starts the program with these flags, and waits until it listens. */
export async function startProcess(flags: string[], options: ProcessOptions = {}): Promise<ServerProcess> {
  const port = String(options.port ?? 0);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--config", CONFIG, ...PERMISSIONS, MAIN, "--port", port, ...flags],
    env: options.env,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const url = await listeningUrl(child.stdout);
  return {
    url,
    child,
    async end(signal) {
      child.kill(signal);
      return await child.status;
    },
  };
}

/** What the task `start` gives the program. */
export const PERMISSIONS = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys",
];

async function listeningUrl(stdout: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const url = /listening on (http:\/\/\S+)/.exec(text)?.[1];
    if (url) return url;
  }
  throw new Error(`The server did not start: ${text}`);
}
