/** `assets-server pull`: files come down, whole and verified. */
import type { Command } from "commander";
import { basename, dirname, join } from "node:path";
import type { Asset } from "../../assets/schema.ts";
import { AssetsClient } from "../../client/assets_client.ts";
import { ConfigError } from "../config.ts";
import { type ConnectionFlags, connectionOf, withConnection } from "./connection_flags.ts";
import { FileTarget, OutputTarget } from "./download_target.ts";
import { hashOfFile } from "./file_part.ts";
import { makeFolder } from "./input.ts";
import { Interrupted, interruptible } from "./interrupt.ts";
import { Progress } from "./progress.ts";
import { FilePull, type PulledFile, type PullResult } from "./pull_file.ts";
import { formatBytes } from "./quantities.ts";
import { savedStates } from "./saved_state.ts";
import { note, print, printable } from "./terminal.ts";

interface PullFlags extends ConnectionFlags {
  output?: string;
  tree?: boolean;
  force?: boolean;
}

const EXAMPLES = `
Until a file is whole and its SHA-256 verified it is called <file>.part. What is interrupted goes on from there when the
same command is run again. What does not have its SHA-256 is refused.

Examples:
  assets-server pull llama/config.json:3.1-base                 ./config.json
  assets-server pull greeting:1.0-initial -o copy.txt
  assets-server pull policy:2-stable -o - | jq .rules
  assets-server pull a:1-x b:1-x -o models/                     a folder for several
  assets-server search 'name=llama/*' version=3.1 | cut -f1 | xargs -d '\\n' assets-server pull --tree -o models/
                                                                a folder that was pushed, as models/llama/…`;

/** Adds the command. */
export function addPullCommand(program: Command): void {
  withConnection(
    program.command("pull")
      .summary("download files, verified; interrupted downloads go on where they were")
      .description("Downloads the files of assets, verifies their SHA-256, and prints where they are.")
      .argument("<uri...>", "URIs or ids of assets")
      .option(
        "-o, --output <file>",
        "the file or folder to write, - for standard output (default: the file's own name)",
      )
      .option("--tree", "name each file by the path that its asset's name is, below the folder of --output")
      .option("--force", "replace a file that is there")
      .addHelpText("after", EXAMPLES)
      .action(async (uris: string[], flags: PullFlags) => {
        await interruptible((signal) => pull(uris, flags, signal));
      }),
  );
}

async function pull(uris: string[], flags: PullFlags, signal: AbortSignal): Promise<void> {
  if (flags.output === "") throw new ConfigError("--output must not be empty");
  if (flags.output === "-" && uris.length > 1) throw new ConfigError("--output - takes one file at a time");
  if (flags.output === "-" && flags.tree) throw new ConfigError("--tree makes files, --output - does not");
  const client = new AssetsClient(connectionOf(flags, { signal }));
  await savedStates("downloads").removeOld();
  for (const uri of uris) await pullOne(client, uri, { ...flags, isOneOfMany: uris.length > 1, signal });
}

interface PullOptions extends PullFlags {
  isOneOfMany: boolean;
  signal: AbortSignal;
}

async function pullOne(client: AssetsClient, uri: string, options: PullOptions): Promise<void> {
  const { asset } = await client.asset(uri, options);
  const file = fileOf(asset, uri);
  if (options.output === "-") {
    await transfer(client, file, new OutputTarget(), options);
    return;
  }
  const path = await pathFor(asset, options);
  const isThere = await checkExisting(path, file, options);
  const facts = isThere ? undefined : await toFile(client, file, path, options);
  await report(path, file, facts, options);
}

async function toFile(
  client: AssetsClient,
  file: PulledFile,
  path: string,
  options: PullOptions,
): Promise<PullResult> {
  using target = new FileTarget(path);
  return await transfer(client, file, target, options);
}

async function transfer(
  client: AssetsClient,
  file: PulledFile,
  target: FileTarget | OutputTarget,
  { signal, output }: PullOptions,
): Promise<PullResult> {
  // On one terminal they would be drawn into each other.
  await using progress = new Progress({ isQuiet: output === "-" && Deno.stdout.isTerminal() });
  const line = progress.file(file.name, file.sizeBytes);
  const download = new FilePull(file, target, { client, signal }, line);
  try {
    return await download.run();
  } catch (error) {
    if (!signal.aborted) throw error;
    const { offset } = download;
    if (target instanceof OutputTarget) throw new Interrupted("Interrupted.");
    throw new Interrupted(
      `Interrupted. ${formatBytes(offset)} are here; run the same command again to go on.`,
    );
  } finally {
    line.end();
  }
}

function fileOf(asset: Asset, uri: string): PulledFile {
  const { file_size, sha256 } = asset.asset_file_info;
  const url = asset.asset_public_url;
  if (asset.asset_id === "" && !/^https?:/i.test(url)) {
    throw new Error(`${uri} has no file${url === "" ? "" : ` that can be fetched: it is at ${url}`}.`);
  }
  return {
    name: printable(asset.asset_uri || uri),
    where: asset.asset_id === "" ? new URL(url) : asset.asset_id,
    sizeBytes: typeof file_size === "number" ? file_size : undefined,
    sha256: typeof sha256 === "string" && sha256 !== "" ? sha256.toLowerCase() : undefined,
  };
}

/** The file to be written. */
async function pathFor(asset: Asset, { output, tree, isOneOfMany }: PullOptions): Promise<string> {
  if (tree) {
    const path = join(output ?? ".", ...asset.asset_name.split(/[/\\]/).map(safeName).filter(Boolean));
    await makeFolder(dirname(path));
    return path;
  }
  if (output === undefined) return localName(asset);
  const isFolder = /[/\\]$/.test(output) || isOneOfMany ||
    await Deno.stat(output).then(({ isDirectory }) => isDirectory, () => false);
  if (!isFolder) return output;
  await makeFolder(output);
  return join(output, localName(asset));
}

function localName({ asset_file_info, asset_name, asset_id }: Asset): string {
  for (const name of [asset_file_info.file_name, asset_name]) {
    if (typeof name !== "string") continue;
    const safe = safeName(basename(name.replaceAll("\\", "/")));
    if (safe !== "") return safe;
  }
  return asset_id || "asset";
}

/** What no file name may have: Windows wants more, elsewhere a folder that was pushed comes back as it was. */
const UNFIT = Deno.build.os === "windows" ? /[\p{Cc}<>:"|?*]/gu : /\p{Cc}/gu;

/** A name that a server gives must not lead out of the folder, nor hide. */
function safeName(name: string): string {
  return name.replace(UNFIT, "_").replace(/^\.+/, "");
}

/** Whether the file is there already. Another one in its place is an error, unless it may be replaced. */
async function checkExisting(
  path: string,
  file: PulledFile,
  { force, signal }: PullOptions,
): Promise<boolean> {
  const there = await Deno.stat(path).catch(() => undefined);
  if (!there) return false;
  if (there.isDirectory) throw new ConfigError(`${JSON.stringify(path)} is a folder`);
  if (file.sha256 !== undefined && there.size === file.sizeBytes) {
    const hash = await hashOfFile(path, there.size, { signal });
    if (hash.digest("hex") === file.sha256) return true;
  }
  if (force) return false;
  throw new Error(
    `${JSON.stringify(path)} is there already, and is another file: --force replaces it, -o names another.`,
  );
}

async function report(
  path: string,
  file: PulledFile,
  result: PullResult | undefined,
  { json, output }: PullOptions,
): Promise<void> {
  const isVerified = result?.isVerified ?? true;
  if (json) {
    const status = result ? "downloaded" : "unchanged";
    const size = result?.sizeBytes ?? file.sizeBytes;
    const sha256 = result?.sha256 ?? file.sha256;
    const facts = { path, status, size, sha256, verified: isVerified, resumed_at: result?.resumedAt ?? 0 };
    await print(`${JSON.stringify(facts)}\n`);
  } else {
    await print(`${printable(path)}\n`);
  }
  if (!result) await note("  was here already, with this content\n");
  else if (result.resumedAt > 0) await note(`  went on at ${formatBytes(result.resumedAt)}\n`);
  if (!isVerified && output !== "-") await note("  could not be verified: the asset states no SHA-256\n");
}
