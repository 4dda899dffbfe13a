/**
 * Processes of a real service for the time of a test, in a folder of their own on loopback.
 *
 * They end with `stop()`, and also when the process that started them dies, however it dies: a guard, a small shell
 * script, waits at a pipe that only the starting process holds open. When the pipe closes it kills what the folder's
 * `.pid` files name and removes the folder. The system's own means (prctl(2), PR_SET_PDEATHSIG) would not do: it
 * follows the thread that started the process, and Deno's test modules have threads of their own.
 */

import { join } from "node:path";

/**
 * The guard is its parent's child no more once it runs in the background: Deno kills its children when it ends, and the
 * guard has to outlive it. It prints nothing unless the folder stays, and closes its standard output when it is done.
 */
const GUARD = `
exec 3<&0
guard() {
  trap "" HUP INT TERM
  read -r stop <&3
  for file in "$1"/*.pid; do
    if [ -e "$file" ]; then kill -KILL "$(cat "$file")"; fi
  done 2>/dev/null
  # A killed process may need a moment to let go of its files.
  for attempt in 1 2 3 4 5; do
    rm -rf "$1" 2>/dev/null && return
    sleep 0.2
  done
  echo "$1 could not be removed."
}
guard "$1" &
`;

/** Runs the program in place of the shell, so that its process id is the one that was started. */
const WITH_LOG = `log=$1; shift; exec "$@" >>"$log" 2>&1 </dev/null`;

/** How long a service may take to answer. */
const START_TIMEOUT_MS = 120_000;
const POLL_INTERVAL_MS = 50;

/** Ports that no client's connection takes by chance: below Linux's range for those (ip_local_port_range). */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;

/** What a process is started with. */
export interface Program {
  /** Names its log and pid file. */
  name: string;
  command: string;
  args: string[];
  env?: Record<string, string>;
}

/** A process under way. */
export interface Running {
  readonly name: string;
  readonly pid: number;
  /** Whether it has ended by itself or was killed. */
  readonly ended: boolean;
  signal(name: Deno.Signal): void;
  /** Ends it at once, as a crash does; resolves when it is gone. */
  kill(): Promise<void>;
}

/** A folder and the processes that work in it. */
export class ServiceFolder {
  readonly path: string;
  readonly #guard: Deno.ChildProcess;
  readonly #running = new Set<Running>();
  #stopped: Promise<void> | undefined;

  private constructor(path: string, guard: Deno.ChildProcess) {
    this.path = path;
    this.#guard = guard;
  }

  /** Makes a temporary folder with its guard. */
  static async open(name: string): Promise<ServiceFolder> {
    const path = await Deno.makeTempDir({ prefix: `assets-server-${name}-` });
    const args = ["-c", GUARD, "guard", path];
    const guard = new Deno.Command("sh", { args, stdin: "piped", stdout: "piped" }).spawn();
    return new ServiceFolder(path, guard);
  }

  /** Starts a program that goes on running; what it prints goes to `<name>.log` in the folder. */
  async start(program: Program): Promise<Running> {
    const { name, command, args, env } = program;
    const log = join(this.path, `${name}.log`);
    const child = new Deno.Command("sh", {
      args: ["-c", WITH_LOG, name, log, command, ...args],
      env,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const pidFile = join(this.path, `${name}.pid`);
    let ended = false;
    const gone = child.status.then(async () => {
      ended = true;
      this.#running.delete(running);
      await Deno.remove(pidFile).catch(() => {});
    });
    const running: Running = {
      name,
      pid: child.pid,
      get ended() {
        return ended;
      },
      signal: (signal) => child.kill(signal),
      async kill() {
        if (!ended) child.kill("SIGKILL");
        await gone;
      },
    };
    this.#running.add(running);
    await Deno.writeTextFile(pidFile, `${child.pid}\n`);
    if (ended) await Deno.remove(pidFile).catch(() => {});
    return running;
  }

  /** Runs a program to its end; throws an error with what it printed if it fails. Returns its standard output. */
  async run(command: string, args: string[], env?: Record<string, string>): Promise<string> {
    const options = { args, env, stdin: "null", stdout: "piped", stderr: "piped" } as const;
    const output = await new Deno.Command(command, options).output();
    const printed = new TextDecoder().decode(output.stdout);
    if (output.success) return printed;
    const complaint = new TextDecoder().decode(output.stderr);
    throw new Error(`${command} ${args.join(" ")} ended with ${output.code}:\n${printed}${complaint}`);
  }

  /** Resolves when `ask` gets an answer of success; throws an error with the end of the log if it never does. */
  async untilItAnswers(running: Running, ask: (signal: AbortSignal) => Promise<Response>): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < deadline && !running.ended) {
      if (await answers(ask)) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
    }
    const log = await Deno.readTextFile(join(this.path, `${running.name}.log`)).catch(() => "");
    const what = running.ended ? "ended" : `did not answer within ${START_TIMEOUT_MS / 1000} s`;
    throw new Error(`${running.name} ${what}. The end of its log:\n${log.slice(-3000)}`);
  }

  /** Ends every process and removes the folder. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await Promise.all([...this.#running].map((running) => running.kill()));
    await this.#guard.stdin.close();
    const complaint = await new Response(this.#guard.stdout).text();
    await this.#guard.status;
    if (complaint !== "") throw new Error(complaint.trim());
  }
}

async function answers(ask: (signal: AbortSignal) => Promise<Response>): Promise<boolean> {
  try {
    const response = await ask(AbortSignal.timeout(2000));
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** Ports of 127.0.0.1 that are free now, different from each other. */
export function freePorts(count: number): number[] {
  const ports = new Set<number>();
  for (let attempt = 0; ports.size < count; attempt++) {
    if (attempt === 1000) throw new Error("No free port was found.");
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      ports.add(port);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  return [...ports];
}
