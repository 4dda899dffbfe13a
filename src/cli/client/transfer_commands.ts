/** `assets-server import`, `export`: every document, as NDJSON. */
import type { Command } from "commander";
import { AssetsClient } from "../../client/assets_client.ts";
import { ClientError } from "../../client/client_error.ts";
import type { SearchSource } from "../../client/query.ts";
import type { JsonObject } from "../../collection/json.ts";
import type { S3Store } from "../../objects/s3_store.ts";
import { ConfigError, readConfig } from "../config.ts";
import { type ConnectionFlags, connectionOf, withConnection } from "./connection_flags.ts";
import { type CopiedAsset, copyAssets } from "./copy_assets.ts";
import { explain } from "./explain.ts";
import { ASSET_WORDS, filterOf } from "./filter_words.ts";
import { type ImportedLine, importLines } from "./import_lines.ts";
import { openInput, outputError } from "./input.ts";
import { Interrupted, interruptible } from "./interrupt.ts";
import { Listing } from "./listing.ts";
import { Progress, type ProgressFile } from "./progress.ts";
import { count } from "./quantities.ts";
import { sourceFailures } from "./search_command.ts";
import { print, printable, writeAll } from "./terminal.ts";

interface ImportFlags extends ConnectionFlags {
  skipExisting?: boolean;
  from?: string;
  fromToken?: string;
  fromBucket?: string;
}

interface ExportFlags extends ConnectionFlags {
  output?: string;
}

/** Adds the command `import`. */
export function addImportCommand(program: Command): void {
  withConnection(
    program.command("import")
      .summary("create assets from NDJSON, or copy them with their files from another server")
      .description(
        "Creates an asset for each line of NDJSON, which is what export writes; files stay where they are then. " +
          "With --from, copies assets and their files from another server.",
      )
      .argument("[source...]", "a file of NDJSON, - for standard input; with --from, words as in search")
      .option("--skip-existing", "count what is there already as done, so that an import can be repeated")
      .option("--from <URL>", "the server to copy from: an assets-server, or AIOSv1's Python service")
      .option("--from-token <token>", "its bearer token [ASSETS_FROM_TOKEN]")
      .option(
        "--from-bucket <name>",
        "take its files from its S3 bucket, which S3_ENDPOINT_URL, AWS_REGION and AWS_ACCESS_KEY_ID, … lead to",
      )
      .addHelpText(
        "after",
        `
A line that is refused is named on standard error and does not stop the others; the exit code is 1 then.
--json prints what became of each line, or of each asset.

A copy streams each file, four at a time, and compares sizes and checksums. Assets keep their ids, names, versions and
metadata. What is there already is left alone, so the same command goes on where an earlier one ended.

Examples:
  assets-server import assets.ndjson
  assets-server import --from http://assets-registry:4000                    everything, files included
  S3_ENDPOINT_URL=http://rgw:7480 assets-server import --from http://assets-registry:4000 --from-bucket assets
  assets-server import --from http://other:4000 tags=nlp --server http://new:4000
  assets-server export --server http://old:4000 | assets-server import - --server http://new:4000 --skip-existing`,
      )
      .action(async (sources: string[], flags: ImportFlags) => {
        await interruptible((signal) =>
          flags.from === undefined
            ? importFile(fileOf(sources), flags, signal)
            : copyFrom(flags.from, sources, flags, signal)
        );
      }),
  );
}

/** Adds the command `export`. */
export function addExportCommand(program: Command): void {
  withConnection(
    program.command("export")
      .summary("write assets as NDJSON")
      .description("Writes every asset, or those that words find, as NDJSON: one JSON object a line.")
      .argument("[words...]", "as in search")
      .option("-o, --output <file>", "the file to write (default: standard output)")
      .addHelpText(
        "after",
        `
Examples:
  assets-server export -o assets.ndjson
  assets-server export tags=nlp | gzip > nlp.ndjson.gz`,
      )
      .action(async (words: string[], flags: ExportFlags) => {
        await interruptible((signal) => exportAll(words, flags, signal));
      }),
  );
}

function fileOf(sources: string[]): string {
  const [file] = sources;
  if (file !== undefined && sources.length === 1) return file;
  throw new ConfigError(
    "import needs one file of NDJSON, or - for standard input; --from <URL> copies from another server",
  );
}

async function copyFrom(from: string, words: string[], flags: ImportFlags, signal: AbortSignal) {
  const token = flags.fromToken ?? (Deno.env.get("ASSETS_FROM_TOKEN") || undefined);
  const target = new AssetsClient(connectionOf(flags, { signal }));
  const source = new AssetsClient(connectionOf({ server: from, token }, { signal, isFrom: true }));
  if (source.server === target.server) {
    throw new ConfigError(`--from and --server are the same, ${source.server}`);
  }
  const totals = { copied: 0, skipped: 0, failed: 0 };
  await using progress = new Progress({ isQuiet: flags.json && Deno.stdout.isTerminal() });
  try {
    const files = flags.fromBucket === undefined ? undefined : await openBucket(flags.fromBucket);
    await copyAssets(
      { source, target, signal, progress, files },
      filterOf(words, ASSET_WORDS),
      async (asset) => {
        totals[asset.status]++;
        if (flags.json) await print(`${JSON.stringify(copiedFacts(asset))}\n`);
        else if (asset.status === "copied") await progress.say(`${printable(asset.name)}\n`, print);
        if (asset.error !== undefined) {
          await progress.say(`${printable(asset.name)}: ${printable(asset.error)}\n`);
        }
      },
    );
  } catch (error) {
    const done = `${count(totals.copied, "asset")} copied so far; the same command goes on from there.`;
    if (signal.aborted) throw new Interrupted(`Interrupted. ${done}`);
    throw totals.copied > 0 || totals.skipped > 0 ? new Error(`${explain(error)} ${done}`) : error;
  }
  const { copied, skipped, failed } = totals;
  const rest = skipped > 0 ? `, ${skipped} were there already` : "";
  await progress.say(`${count(copied, "asset")} copied${rest}\n`);
  if (failed > 0) throw new Error(`${count(failed, "asset")} could not be copied.`);
}

/** The bucket as the server itself would reach it. */
async function openBucket(s3Bucket: string): Promise<S3Store> {
  const { s3 } = readConfig({ s3Bucket, mode: "assets-db" }, (name) => Deno.env.get(name));
  if (!s3) throw new ConfigError("--from-bucket must not be empty");
  // The other commands do without it, and start sooner.
  const { S3Store } = await import("../../objects/s3_store.ts");
  return new S3Store(s3);
}

function copiedFacts({ name, status, sizeBytes, error }: CopiedAsset) {
  return { uri: name, status, size: sizeBytes, error };
}

async function importFile(path: string, flags: ImportFlags, signal: AbortSignal): Promise<void> {
  const client = new AssetsClient(connectionOf(flags, { signal }));
  const totals = { created: 0, skipped: 0, failed: 0 };
  await using progress = new Progress({ isQuiet: flags.json && Deno.stdout.isTerminal() });
  const input = (await openInput(path)).pipeThrough(counted(progress.file(path, await sizeOf(path))));
  try {
    for await (const line of importLines(client, input, signal)) {
      const kind = line.isCreated
        ? "created"
        : flags.skipExisting && line.code === "already_exists"
        ? "skipped"
        : "failed";
      totals[kind]++;
      if (flags.json) await print(`${JSON.stringify(toJson(line))}\n`);
      if (kind === "failed") {
        await progress.say(`line ${line.line}: ${printable(line.error ?? line.code ?? "it was refused")}\n`);
      }
    }
  } catch (error) {
    throw brokenOff(error, totals.created, signal);
  }
  const { created, skipped, failed } = totals;
  const rest = skipped > 0 ? `, ${skipped} were there already` : "";
  await progress.say(flags.json ? "" : `${count(created, "asset")} created${rest}\n`, print);
  if (failed > 0) throw new Error(`${count(failed, "line")} could not be imported.`);
}

/** What is said when the server or the user ends an import: how far it came, and how to go on. */
function brokenOff(error: unknown, created: number, signal: AbortSignal): unknown {
  const done = `${count(created, "asset")} created so far; --skip-existing goes on from there.`;
  if (signal.aborted) return new Interrupted(`Interrupted. ${done}`);
  return error instanceof ClientError && error.isPassing ? new Error(`${explain(error)} ${done}`) : error;
}

/** Passes bytes on and shows how many. */
function counted({ at }: ProgressFile): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      at(bytes += chunk.length);
      controller.enqueue(chunk);
    },
  });
}

async function sizeOf(path: string): Promise<number | undefined> {
  if (path === "-") return undefined;
  return await Deno.stat(path).then(({ isFile, size }) => isFile ? size : undefined, () => undefined);
}

function toJson({ line, isCreated, id, asset_uri, code, error }: ImportedLine) {
  return { line, success: isCreated, id, asset_uri, code, error };
}

async function exportAll(words: string[], flags: ExportFlags, signal: AbortSignal): Promise<void> {
  const client = new AssetsClient(connectionOf(flags, { signal }));
  const found = complete(client, filterOf(words, ASSET_WORDS), signal);
  if (flags.output === "") throw new ConfigError("--output must not be empty");
  if (flags.output === undefined || flags.output === "-") {
    const listing = new Listing("ndjson", []);
    try {
      for await (const asset of found) await listing.add(asset);
    } finally {
      await listing.end();
    }
    return;
  }
  const written = await writeFile(flags.output, found);
  const facts = { path: flags.output, count: written };
  await print(
    flags.json ? `${JSON.stringify(facts)}\n` : `${count(written, "asset")} in ${printable(flags.output)}\n`,
  );
}

/** Everything that matches. A registry that could not ask all of its Assets DBs makes it fail at the end. */
async function* complete(client: AssetsClient, filter: JsonObject, signal: AbortSignal) {
  let sources: SearchSource[] = [];
  yield* client.assetStream(filter, { signal, onSources: (told) => void (sources = told) });
  const failures = sourceFailures(sources);
  if (failures.length > 0) throw new Error(`The export is not complete: ${failures.join("; ")}`);
}

/** Writes NDJSON to a file that appears when it is whole. Returns how many lines. */
async function writeFile(path: string, documents: AsyncIterable<unknown>): Promise<number> {
  const part = `${path}.part`;
  // Found out only when everything is written, otherwise.
  if (await Deno.stat(path).then(({ isDirectory }) => isDirectory, () => false)) {
    throw new ConfigError(`${JSON.stringify(path)} is a folder`);
  }
  let written = 0;
  using file = await Deno.create(part).catch((error) => {
    throw outputError(error, path);
  });
  try {
    const encoder = new TextEncoder();
    for await (const document of documents) {
      await writeAll(file, encoder.encode(`${JSON.stringify(document)}\n`));
      written++;
    }
    await file.sync();
  } catch (error) {
    await Deno.remove(part).catch(() => {});
    throw error;
  }
  await Deno.rename(part, path);
  return written;
}
