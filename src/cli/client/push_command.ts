/** `assets-server push`: files and folders become assets, over connections that may break. */
import { Argument, type Command } from "commander";
import { AssetsClient } from "../../client/assets_client.ts";
import { ClientError } from "../../client/client_error.ts";
import { ConfigError } from "../config.ts";
import { parseSizeBytes } from "../units.ts";
import { metadataOf, splitList } from "./assignments.ts";
import { type ConnectionFlags, connectionOf, withConnection } from "./connection_flags.ts";
import { explain } from "./explain.ts";
import { readJsonObject } from "./input.ts";
import { Interrupted, interruptible } from "./interrupt.ts";
import { Progress } from "./progress.ts";
import { FilePush, type PushContext, type PushResult } from "./push_file.ts";
import { type PlannedFile, planPush, type PushDescription } from "./push_plan.ts";
import { count, formatBytes } from "./quantities.ts";
import { savedStates } from "./saved_state.ts";
import { note, print, printable } from "./terminal.ts";

interface PushFlags extends ConnectionFlags {
  name?: string;
  version: string;
  tag: string;
  meta?: string[];
  metaFile?: string;
  tags?: string;
  type?: string;
  hidden?: boolean;
  parallel: string;
  pieceSize?: string;
  dryRun?: boolean;
}

const MAX_PARALLEL = 32;

const EXAMPLES = `
What is interrupted - by Ctrl-C, a lost connection, a crash - goes on where it was when the same command is run again.
A file that is there already, with the same URI and content, is left alone.

--meta takes JSON where it is JSON (0.9, true, ["a"], {"b":1}, "1") and text otherwise; a dotted key makes objects
within objects. --meta goes over what --meta-file says.

Examples:
  assets-server push model.safetensors --name llama --version 3.1 --tag base
  assets-server push photo.png --tags image,sample --meta license=CC0 --meta quality.score=0.9
  assets-server push weights/ --name llama --version 3.1 --tag base     llama/config.json, llama/sub/part-1.bin, …
  jq .card model.json | assets-server push model.onnx --meta-file -
  assets-server push *.onnx --version 2 --parallel 8 --json | jq -r .uri`;

/** Adds the command. */
export function addPushCommand(program: Command): void {
  withConnection(
    program.command("push")
      .summary("upload files and folders; interrupted uploads go on where they were")
      .description(
        "Uploads files and folders, and prints the URI of each. The SHA-256 is computed here and verified by the server.",
      )
      .addArgument(new Argument("<path...>", "files and folders"))
      .option(
        "--name <name>",
        "the asset's name; of several files what their names begin with (default: the file's name)",
      )
      .option("--version <version>", "its version", "1.0")
      .option("--tag <tag>", "the tag of its version", "initial")
      .option("--meta <key=value>", "a piece of metadata; can be repeated", collect)
      .option("--meta-file <file>", "metadata from a JSON file, - for standard input")
      .option("--tags <a,b>", "tags, comma-separated")
      .option("--type <media type>", "the files' type (default: by the file name)")
      .option("--hidden", "take files along whose names begin with a dot")
      .option("--parallel <number>", "files at the same time", "3")
      .option(
        "--piece-size <size>",
        "the most bytes in one request, for proxies that limit it, such as 64MiB",
      )
      .option("--dry-run", "only print what would be uploaded")
      .addHelpText("after", EXAMPLES)
      .action(async (paths: string[], flags: PushFlags) => {
        await interruptible((signal) => push(paths, flags, signal));
      }),
  );
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

async function push(paths: string[], flags: PushFlags, signal: AbortSignal): Promise<void> {
  const parallel = parallelOf(flags.parallel);
  const pieceBytes = flags.pieceSize === undefined ? Infinity : pieceBytesOf(flags.pieceSize);
  const client = new AssetsClient(connectionOf(flags, { signal }));
  const { files, leftOut } = await planPush(paths, await describe(flags));
  if (leftOut > 0) {
    await note(
      `${count(leftOut, "hidden or special file")} left out${flags.hidden ? "" : "; see --hidden"}.\n`,
    );
  }
  if (flags.dryRun) {
    for (const { path, uri, sizeBytes } of files) {
      await print(
        flags.json
          ? `${JSON.stringify({ uri, size: sizeBytes, path })}\n`
          : `${[uri, formatBytes(sizeBytes), path].map(printable).join("\t")}\n`,
      );
    }
    return;
  }
  // Before all the files are read for their checksums.
  await client.uploads.check({ signal });
  const states = savedStates("uploads");
  await states.removeOld();
  await new Batch(files, { client, states, pieceBytes, signal }, flags.json ?? false).run(parallel);
}

async function describe(flags: PushFlags): Promise<PushDescription> {
  for (const name of ["name", "version", "tag"] as const) {
    if (flags[name] === "") throw new ConfigError(`--${name} must not be empty`);
  }
  const base = flags.metaFile === undefined ? {} : await readJsonObject(flags.metaFile, "--meta-file");
  return {
    name: flags.name,
    version: flags.version,
    tag: flags.tag,
    fileType: flags.type,
    metadata: metadataOf(flags.meta ?? [], base),
    tags: splitList(flags.tags ?? ""),
    includesHidden: flags.hidden ?? false,
  };
}

function parallelOf(text: string): number {
  if (/^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_PARALLEL) return Number(text);
  throw new ConfigError(`--parallel must be a number from 1 to ${MAX_PARALLEL}, not ${JSON.stringify(text)}`);
}

function pieceBytesOf(text: string): number {
  const bytes = parseSizeBytes(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new ConfigError(`--piece-size must be a size such as 64MiB, not ${JSON.stringify(text)}`);
}

/** Files on their way, some at the same time. */
class Batch {
  readonly #files: PlannedFile[];
  readonly #context: PushContext;
  readonly #isJson: boolean;
  readonly #running = new Map<FilePush, PlannedFile>();
  #failed = 0;
  /** What ends all of them: no server, no right. */
  #fatal: unknown;

  constructor(files: PlannedFile[], context: PushContext, isJson: boolean) {
    this.#files = files;
    this.#context = context;
    this.#isJson = isJson;
  }

  /** @throws {Error} if one of them could not be uploaded; the others are, all the same */
  async run(parallel: number): Promise<void> {
    const waiting = this.#files.values();
    await using progress = new Progress({ totalFiles: this.#files.length });
    const worker = async () => {
      for (const file of waiting) {
        if (this.#fatal !== undefined) return;
        await this.#push(file, progress);
      }
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    if (this.#fatal !== undefined) throw this.#fatal;
    if (this.#failed > 0) {
      throw new Error(`${this.#failed} of ${count(this.#files.length, "file")} could not be uploaded.`);
    }
  }

  async #push(file: PlannedFile, progress: Progress): Promise<void> {
    const line = progress.file(file.name, file.sizeBytes);
    const upload = new FilePush(file, this.#context, line);
    this.#running.set(upload, file);
    try {
      const result = await upload.run();
      await progress.say(this.#resultLine(file, result), print);
      if (result.status === "unchanged") await progress.say("  was there already, with this content\n");
      else if (result.resumedAt > 0) await progress.say(`  went on at ${formatBytes(result.resumedAt)}\n`);
    } catch (error) {
      await this.#failedWith(error, file, upload.sentBytes, progress);
    } finally {
      line.end();
      this.#running.delete(upload);
    }
  }

  #resultLine(file: PlannedFile, { uri, id, status, sha256, resumedAt }: PushResult): string {
    if (!this.#isJson) return `${printable(uri)}\n`;
    const facts = { uri, id, status, sha256, size: file.sizeBytes, resumed_at: resumedAt, path: file.path };
    return `${JSON.stringify(facts)}\n`;
  }

  async #failedWith(error: unknown, file: PlannedFile, sentBytes: number, progress: Progress): Promise<void> {
    if (this.#context.signal.aborted) {
      // The first to notice knows where all the others stand.
      this.#fatal ??= new Interrupted(`Interrupted. ${this.#standing()}`);
    } else if (this.#files.length === 1 || isFatal(error)) {
      this.#fatal ??= sentBytes > 0 && isLost(error)
        ? new Error(`${explain(error)} ${this.#standing()}`)
        : error;
    } else {
      this.#failed++;
      await progress.say(`${printable(file.name)}: ${explain(error)}\n`);
    }
  }

  /** What is kept, and how to go on. */
  #standing(): string {
    const standing = [...this.#running].filter(([{ sentBytes }]) => sentBytes > 0).map((
      [{ sentBytes }, file],
    ) => `${formatBytes(sentBytes)} of ${formatBytes(file.sizeBytes)} of ${printable(file.name)}`);
    const sent = standing.length === 0 ? "" : `${standing.join(", ")} were sent. `;
    return `${sent}Run the same command again to go on.`;
  }
}

/** Whether it was the connection that failed. */
function isLost(error: unknown): boolean {
  return error instanceof ClientError && error.isPassing;
}

/** Whether the next file would fail as well. */
function isFatal(error: unknown): boolean {
  return error instanceof ClientError &&
    [
      "unreachable",
      "no_answer",
      "unauthenticated",
      "forbidden",
      "redirected",
      "bad_answer",
      "route_not_found",
    ]
      .includes(error.code);
}
