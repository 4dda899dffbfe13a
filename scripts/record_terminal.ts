/**
 * `deno run -A scripts/record_terminal.ts`: makes the recording in the README anew, from the real commands in a pty of Debian's
 * `script`, against a server of its own.
 */
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const BEGIN = "<!-- A recording; scripts/record_terminal.ts makes it. -->\n";
const END = "<!-- The end of the recording. -->\n";

const COLUMNS = 96;
const MODEL_BYTES = 250_000_000;

/** What is typed. */
const COMMANDS = [
  "assets-server push weights/ --name llama --version 3.1 --tag base --tags llm --meta license=apache-2.0",
  "assets-server search tags=llm 'size>1KB'",
  "assets-server info llama/config.json:3.1-base",
  "assets-server pull llama/model.safetensors:3.1-base -o model.safetensors",
  "assets-server pull llama/config.json:3.2-base",
];

/** A bar that is about this far is shown: a terminal takes it away once the file is there. */
const SHOWN_BAR = / [4-8]\d % .* left$/;

/**
 * Types the commands. Returns the screen as text, the prompts included.
 *
 * @param modelBytes the size of the large file; a small one is there before a bar is seen
 */
export async function record(modelBytes = MODEL_BYTES): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "recording-" });
  try {
    await prepare(folder, modelBytes);
    const server = await startServer(folder);
    try {
      const typed: string[] = [];
      for (const command of COMMANDS) typed.push(`$ ${command}\n${await type(command, folder, server.url)}`);
      // The server of the README.
      return typed.join("\n").replaceAll(server.url, "http://localhost:4000");
    } finally {
      server.child.kill("SIGTERM");
      await server.child.status;
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function prepare(folder: string, modelBytes: number): Promise<void> {
  await Deno.mkdir(`${folder}/weights/tokenizer`, { recursive: true });
  await Deno.writeTextFile(`${folder}/weights/config.json`, '{"layers":32}\n');
  await Deno.writeTextFile(`${folder}/weights/tokenizer/vocab.txt`, "a\n".repeat(16_000));
  const model = `${folder}/weights/model.safetensors`;
  await Deno.writeTextFile(model, "");
  await Deno.truncate(model, modelBytes);
}

async function startServer(folder: string): Promise<{ url: string; child: Deno.ChildProcess }> {
  const child = new Deno.Command(`${ROOT}bin/assets-server`, {
    args: ["--port", "0", "--data-dir", `${folder}/data`],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let said = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    const url = /listening on (http:\S+)/.exec(said)?.[1];
    if (url !== undefined) return { url: url.replace("127.0.0.1", "localhost"), child };
  }
  throw new Error(`The server did not start: ${said}`);
}

async function type(command: string, folder: string, url: string): Promise<string> {
  const line = `stty cols ${COLUMNS} rows 24; ${command}`;
  const child = new Deno.Command("script", {
    args: ["-q", "-c", line, "/dev/null"],
    cwd: folder,
    env: {
      ASSETS_SERVER_URL: url,
      PATH: `${ROOT}bin:${Deno.env.get("PATH")}`,
      TERM: "xterm",
      XDG_STATE_HOME: `${folder}/state`,
    },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const screen = new Screen();
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) screen.write(text);
  await child.status;
  return screen.text();
}

/** As much of a terminal as the commands use: lines, and going back over them (ECMA-48, "CUU", "ED", "EL"). */
class Screen {
  #lines = [""];
  #row = 0;
  #shownBars: string[] = [];

  write(text: string): void {
    // deno-lint-ignore no-control-regex
    for (const [piece] of text.matchAll(/\x1b\[[\d;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+/g)) this.#take(piece);
  }

  text(): string {
    const lines = [...this.#shownBars, ...this.#lines].map((line) => line.trimEnd());
    return `${lines.join("\n").trimEnd()}\n`;
  }

  #take(piece: string): void {
    // deno-lint-ignore no-control-regex
    const [, count = "", command] = /^\x1b\[([\d;?]*)([A-Za-z])$/.exec(piece) ?? [];
    if (piece === "\n") this.#row++;
    else if (command === "A") this.#row = Math.max(0, this.#row - Number(count || 1));
    else if (command === "J") this.#lines.splice(this.#row);
    else if (command === "K") this.#lines[this.#row] = "";
    else if (command === undefined && piece !== "\r") this.#print(piece);
    this.#lines[this.#row] ??= "";
  }

  #print(piece: string): void {
    this.#lines[this.#row] = (this.#lines[this.#row] ?? "") + piece;
    if (this.#shownBars.length === 0 && SHOWN_BAR.test(piece.trimEnd()) && !piece.includes("checking")) {
      this.#shownBars = [piece];
    }
  }
}

/** The README with this recording. */
export function withRecording(readme: string, recording: string): string {
  const [before, rest] = readme.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) {
    throw new Error("The README has no place for a recording.");
  }
  return `${before}${BEGIN}\n\`\`\`console\n${recording}\`\`\`\n\n${END}${after}`;
}

if (import.meta.main) {
  const path = `${ROOT}README.md`;
  await Deno.writeTextFile(path, withRecording(await Deno.readTextFile(path), await record()));
}
