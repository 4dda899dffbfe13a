/** Processes of a measurement: servers, whose memory and CPU are their own, and the clients that load them. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const ROOT = join(FOLDER, "..", "..");

/** The permissions of `deno task start`. */
const SERVER_ARGS = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys",
  "main.ts",
];

/** What a process needs of our environment; settings of a server (`S3_BUCKET_NAME` …) must not reach it. */
const KEPT_VARIABLES = ["PATH", "HOME", "DENO_DIR", "TMPDIR"];

const POLL_INTERVAL_MS = 20;

/** A server that is measured. Dispose of it with `await using`. */
export interface MeasuredServer extends AsyncDisposable {
  /** Without a slash at the end. */
  url: string;
  pid: number;
}

/** Our server on `dataDir`, as `deno task start` runs it, with these settings in its environment. */
export function startAssetsServer(
  dataDir: string,
  settings: Record<string, string> = {},
): Promise<MeasuredServer> {
  return startServer(["run", ...SERVER_ARGS, "--port", "0", "--data-dir", dataDir], settings);
}

/** One of the servers of `ceilings.ts`. */
export function startCeiling(name: string, ...args: string[]): Promise<MeasuredServer> {
  return startServer(["run", "--no-prompt", "-A", join(FOLDER, "ceilings.ts"), name, ...args]);
}

/** Runs a module of this folder to its end; returns what it prints, which is JSON. */
export async function runModule(module: string, args: string[]): Promise<unknown> {
  return JSON.parse(
    await runProgram(Deno.execPath(), ["run", "--no-prompt", "-A", join(FOLDER, module), ...args]),
  );
}

/** Runs a program to its end; returns what it prints. Throws with its complaint if it fails. */
export async function runProgram(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, ...surroundings() }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`${command} ${args.join(" ")} failed:\n${new TextDecoder().decode(stderr)}`);
}

/** The first of these programs, by name or path, that is not there. */
export async function missingProgram(programs: string[]): Promise<string | undefined> {
  for (const program of programs) {
    if (!await isThere(program)) return program;
  }
  return undefined;
}

/** Resolves when something takes connections on a port of loopback. */
export async function untilItListens(port: number): Promise<void> {
  for (;;) {
    try {
      using _ = await Deno.connect({ hostname: "127.0.0.1", port });
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
    }
  }
}

/**
 * Starts counting the peak of a process's memory anew (Linux manual page proc_pid_clear_refs(5): 5 sets the peak to what is
 * resident now).
 */
export async function resetPeakMemory({ pid }: MeasuredServer): Promise<void> {
  if (Deno.build.os === "linux") await Deno.writeTextFile(`/proc/${pid}/clear_refs`, "5");
}

/** The most memory that was resident since `resetPeakMemory`, in bytes; nothing where the system does not tell. */
export async function peakMemoryBytes({ pid }: MeasuredServer): Promise<[number] | []> {
  if (Deno.build.os !== "linux") return [];
  const peakKiB = /^VmHWM:\s+(\d+) kB$/m.exec(await Deno.readTextFile(`/proc/${pid}/status`))?.[1];
  return peakKiB === undefined ? [] : [Number(peakKiB) * 1024];
}

/**
 * The memory of a process that is its own, in bytes: without the pages of files that it has mapped, which the system takes
 * back when it needs them. Nothing where the system does not tell.
 */
export async function ownMemoryBytes({ pid }: MeasuredServer): Promise<[number] | []> {
  if (Deno.build.os !== "linux") return [];
  const ownKiB = /^RssAnon:\s+(\d+) kB$/m.exec(await Deno.readTextFile(`/proc/${pid}/status`))?.[1];
  return ownKiB === undefined ? [] : [Number(ownKiB) * 1024];
}

async function isThere(program: string): Promise<boolean> {
  if (Deno.build.os === "windows") return false;
  const args = ["-c", 'command -v "$1"', "sh", program];
  return (await new Deno.Command("sh", { args, ...surroundings() }).output()).success;
}

async function startServer(args: string[], settings: Record<string, string> = {}): Promise<MeasuredServer> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    ...surroundings(settings),
    stdout: "piped",
    stderr: "piped",
  })
    .spawn();
  const complaint = new Response(child.stderr).text();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let printed = "";
  let url: string | undefined;
  while (url === undefined) {
    const { done, value } = await output.read();
    if (done) throw new Error(`deno ${args.join(" ")} ended before it listened:\n${await complaint}`);
    printed += value;
    url = /listening on (http:\/\/\S+)\n/.exec(printed)?.[1];
  }
  return {
    url,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await output.cancel();
      await child.status;
      await complaint;
    },
  };
}

function surroundings(settings: Record<string, string> = {}) {
  const env: Record<string, string> = { ...settings, NO_COLOR: "1" };
  for (const name of KEPT_VARIABLES) {
    const value = Deno.env.get(name);
    if (value !== undefined) env[name] = value;
  }
  return { cwd: ROOT, clearEnv: true, env, stdin: "null" } as const;
}
