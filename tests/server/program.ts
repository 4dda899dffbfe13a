/** The program as a process, started as the task `start` does, with an environment of its own. */
import { fileURLToPath } from "node:url";
import deno from "../../deno.json" with { type: "json" };

type Environment = Record<string, string>;

/** A process that was started, and what it has said so far. */
export interface Program extends AsyncDisposable {
  /** As it listens. */
  url: string;
  child: Deno.ChildProcess;
  /** Everything on stdout, once it ended. */
  output: Promise<string>;
  /** Everything on stderr, once it ended. */
  errors: Promise<string>;
  /** What it has said on stderr so far. */
  said(): string;
  /** Resolves when it says this on stderr; each call looks behind what the last one found. */
  says(text: string): Promise<void>;
}

/** The task `start`, word by word. */
const START = deno.tasks.start.command.split(" ").slice(1).map((word) =>
  word === "main.ts" ? fileURLToPath(new URL("../../main.ts", import.meta.url)) : word
);

const folders: string[] = [];

/** A new folder, there until `removeFolders`. */
export async function newFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "program-test-" });
  folders.push(folder);
  return folder;
}

/** Removes what `newFolder` made; for `Deno.test.afterAll`. */
export async function removeFolders(): Promise<void> {
  for (const folder of folders.splice(0)) await Deno.remove(folder, { recursive: true });
}

function command(flags: string[], env: Environment): Deno.Command {
  // Nothing of the settings of whoever runs the tests.
  const kept = Object.fromEntries(
    ["PATH", "HOME", "DENO_DIR", "TMPDIR", "SystemRoot"].flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
  return new Deno.Command(Deno.execPath(), {
    args: [...START, ...flags],
    env: { ...kept, NO_COLOR: "1", ...env },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs it to its end. */
export async function run(flags: string[], env: Environment = {}) {
  const { code, stdout, stderr } = await command(flags, env).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Starts it and waits until it listens. */
export async function start(
  flags: string[],
  env: Environment = {},
  { isLogRead = true }: { isLogRead?: boolean } = {},
): Promise<Program> {
  const child = command(flags, env).spawn();
  const said = new Said(isLogRead ? child.stderr : new Blob([]).stream());
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let url: string | undefined;
  while (url === undefined) {
    const { value, done } = await lines.read();
    if (done) throw new Error(`It did not start: ${text}${await said.whole}`);
    text += value;
    url = /listening on (https?:\/\/\S+)\n/.exec(text)?.[1];
  }
  const output = (async () => {
    for (let next = await lines.read(); !next.done; next = await lines.read()) text += next.value;
    return text;
  })();
  return {
    url,
    child,
    output,
    errors: said.whole,
    said: () => said.text,
    says: (text) => said.until(text),
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      if (!isLogRead) await child.stderr.cancel();
      await Promise.all([child.status, output, said.whole]);
    },
  };
}

/** How long a process has to say what it is to say. */
const SAY_TIMEOUT_MS = 20_000;

/** What a process says on one of its outputs. */
class Said {
  readonly whole: Promise<string>;
  #text = "";
  #seen = 0;
  #onMore: () => void = () => {};

  constructor(stream: ReadableStream<Uint8Array>) {
    this.whole = this.#read(stream);
  }

  get text(): string {
    return this.#text;
  }

  async until(wanted: string): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      const fail = () => reject(new Error(`It did not say ${JSON.stringify(wanted)}: ${this.#text}`));
      timer = setTimeout(fail, SAY_TIMEOUT_MS);
    });
    try {
      for (;;) {
        const at = this.#text.indexOf(wanted, this.#seen);
        if (at !== -1) {
          this.#seen = at + wanted.length;
          return;
        }
        await Promise.race([late, new Promise<void>((resolve) => this.#onMore = resolve)]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<string> {
    for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
      this.#text += piece;
      this.#onMore();
    }
    return this.#text;
  }
}
