/** The commands of the program as a user runs them: a process of its own, with a home of its own. */
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import deno from "../../deno.json" with { type: "json" };

/** What a command said, and how it ended. */
export interface Said {
  code: number;
  stdout: string;
  stderr: string;
}

/** A command under way. */
export interface RunningCommand {
  child: Deno.ChildProcess;
  said: Promise<Said>;
}

/** How a command is run. */
export interface CommandOptions {
  env?: Record<string, string>;
  /** What it reads; else nothing. */
  input?: string;
}

/** The permissions and switches of the task `cli`, and the program. */
const START = [
  "run",
  ...deno.tasks.cli.command.split(" ").filter((word) => /^--(no-prompt|allow-|unstable-)/.test(word)),
  fileURLToPath(new URL("../../main.ts", import.meta.url)),
];

/** A user with a home folder, who works in another folder. Dispose of it with `await using`. */
export class User implements AsyncDisposable {
  readonly home: string;
  /** Where commands are run. */
  readonly folder: string;
  readonly #env: Record<string, string>;

  private constructor(root: string, env: Record<string, string>) {
    this.home = `${root}/home`;
    this.folder = `${root}/work`;
    this.#env = env;
  }

  /** @param server the server that the commands speak to */
  static async create({ url }: { url: string }, env: Record<string, string> = {}): Promise<User> {
    const root = await Deno.makeTempDir({ prefix: "command-line-test-" });
    const user = new User(root, { ASSETS_SERVER_URL: url, ...env });
    await Deno.mkdir(user.home);
    await Deno.mkdir(user.folder);
    return user;
  }

  /** Writes a file in the user's folder. */
  async write(name: string, content: string | Uint8Array): Promise<void> {
    const path = `${this.folder}/${name}`;
    await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
  }

  /** Begins a command. */
  start(args: string[], { env = {}, input }: CommandOptions = {}): RunningCommand {
    const child = this.command(Deno.execPath(), [...START, ...args], {
      env,
      stdin: input === undefined ? "null" : "piped",
    }).spawn();
    const said = (async () => {
      if (input !== undefined) await new Blob([input]).stream().pipeTo(child.stdin).catch(() => {});
      const [stdout, stderr, { code }] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.status,
      ]);
      return { code, stdout, stderr };
    })();
    return { child, said };
  }

  /** Runs a command to its end. */
  async run(args: string[], options?: CommandOptions): Promise<Said> {
    return await this.start(args, options).said;
  }

  /** Runs a command that must succeed; its output. */
  async succeed(args: string[], options?: CommandOptions): Promise<string> {
    const said = await this.run(args, options);
    assertEquals(said.code, 0, `${args.join(" ")}: ${said.stderr}`);
    return said.stdout;
  }

  /** Any program in the user's folder and environment. */
  command(
    program: string,
    args: string[],
    { env = {}, stdin = "null" }: { env?: Record<string, string>; stdin?: "null" | "piped" } = {},
  ): Deno.Command {
    const kept = Object.fromEntries(
      ["PATH", "DENO_DIR", "TMPDIR"].flatMap((name) => {
        const value = Deno.env.get(name);
        return value === undefined ? [] : [[name, value]];
      }),
    );
    return new Deno.Command(program, {
      args,
      cwd: this.folder,
      env: { ...kept, DENO_DIR: denoFolder(), HOME: this.home, ...this.#env, ...env },
      clearEnv: true,
      stdin,
      stdout: "piped",
      stderr: "piped",
    });
  }

  /** The program's own command line, for a shell. */
  get shellCommand(): string {
    return [Deno.execPath(), ...START].map((word) => `'${word}'`).join(" ");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.home.replace(/\/home$/, ""), { recursive: true });
  }
}

/** Deno's own cache: in another home it would be filled anew. */
function denoFolder(): string {
  return Deno.env.get("DENO_DIR") ??
    `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/deno`;
}

/** Fails unless a command ended with this code and one line on stderr that has all these words, and said nothing else. */
export function assertOneLine({ code, stdout, stderr }: Said, expected: number, ...words: string[]): void {
  assertEquals(code, expected, stdout + stderr);
  assertEquals(stdout, "");
  assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
  for (const word of words) {
    assertEquals(stderr.includes(word), true, `no ${JSON.stringify(word)} in ${stderr}`);
  }
}
