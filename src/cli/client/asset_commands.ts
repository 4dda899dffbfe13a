/** `assets-server info`, `update`, `rm`: one asset at a time. */
import type { Command } from "commander";
import type { Asset } from "../../assets/schema.ts";
import { AssetsClient } from "../../client/assets_client.ts";
import { ClientError } from "../../client/client_error.ts";
import type { JsonObject } from "../../collection/json.ts";
import { ConfigError } from "../config.ts";
import { metadataOf, parseValue, splitAssignment, splitList } from "./assignments.ts";
import { type ConnectionFlags, connectionOf, withConnection } from "./connection_flags.ts";
import { ASSET_WORDS } from "./filter_words.ts";
import { readJsonObject } from "./input.ts";
import { formatBytes } from "./quantities.ts";
import { bold, confirm, note, print, printable, printableLines } from "./terminal.ts";

interface UpdateFlags extends ConnectionFlags {
  metaFile?: string;
}

interface RemoveFlags extends ConnectionFlags {
  yes?: boolean;
}

/** Adds the command `info`. */
export function addInfoCommand(program: Command): void {
  withConnection(
    program.command("info")
      .summary("show an asset")
      .description("Shows an asset: its file, version, tags and metadata.")
      .argument("<uri>", "URI or id of an asset")
      .addHelpText(
        "after",
        "\nExample:\n  assets-server info greeting:1.0-initial --json | jq .asset_metadata",
      )
      .action(async (uri: string, flags: ConnectionFlags) => {
        const { asset } = await new AssetsClient(connectionOf(flags)).asset(uri);
        await showAsset(asset, flags);
      }),
  );
}

/** Adds the command `update`. */
export function addUpdateCommand(program: Command): void {
  withConnection(
    program.command("update")
      .summary("change an asset's metadata, tags, name or version")
      .description("Changes an asset. What is not named stays as it is.")
      .argument("<uri>", "URI or id of an asset")
      .argument("[key=value...]", "what to change")
      .option("--meta-file <file>", "replace all metadata by those of a JSON file, - for standard input")
      .addHelpText(
        "after",
        `
Keys: name, version, tag, tags (comma-separated), url, and file and type of the file; any other key is one of the metadata.
Values are JSON where they are JSON, else text, as in push.

Examples:
  assets-server update greeting:1.0-initial language=de quality.score=0.95
  assets-server update greeting:1.0-initial tags=text,demo,checked
  assets-server update greeting:1.0-initial tag=final           it is greeting:1.0-final then`,
      )
      .action(async (uri: string, assignments: string[], flags: UpdateFlags) => {
        const changes = await changesOf(assignments, flags);
        const asset = await new AssetsClient(connectionOf(flags)).updateAsset(uri, changes);
        if (flags.json) await print(`${JSON.stringify(asset, null, 2)}\n`);
        else await print(`${printable(asset.asset_uri || uri)}\n`);
      }),
  );
}

/** Adds the command `rm`. */
export function addRemoveCommand(program: Command): void {
  withConnection(
    program.command("rm")
      .summary("remove assets and their files")
      .description("Removes assets, and the files that the server keeps of them. Asks first, on a terminal.")
      .argument("<uri...>", "URIs or ids of assets")
      .option("-y, --yes", "don't ask")
      .addHelpText(
        "after",
        `
Examples:
  assets-server rm greeting:1.0-initial
  assets-server search tags=old --fields uri | xargs -d '\\n' assets-server rm --yes`,
      )
      .action(remove),
  );
}

async function changesOf(assignments: string[], { metaFile }: UpdateFlags): Promise<JsonObject> {
  if (assignments.length === 0 && metaFile === undefined) {
    throw new ConfigError("update needs something to change, such as language=de");
  }
  const { texts, lists, metadata } = ASSET_WORDS;
  const changes: JsonObject = {};
  const metadataTexts: string[] = [];
  for (const assignment of assignments) {
    const [key, text] = splitAssignment(assignment, "a change");
    if (Object.hasOwn(lists, key)) changes[lists[key] ?? key] = splitList(text);
    else if (Object.hasOwn(texts, key)) changes[texts[key] ?? key] = text;
    else if (/^asset_/.test(key)) changes[key] = parseValue(text);
    else if (metaFile === undefined) changes[`${metadata}.${key}`] = parseValue(text);
    else metadataTexts.push(assignment);
  }
  if (metaFile !== undefined) {
    changes[metadata] = metadataOf(metadataTexts, await readJsonObject(metaFile, "--meta-file"));
  }
  return changes;
}

async function remove(uris: string[], flags: RemoveFlags): Promise<void> {
  const client = new AssetsClient(connectionOf(flags));
  if (!flags.yes && !(Deno.stdin.isTerminal() && Deno.stderr.isTerminal())) {
    throw new ConfigError("rm has no terminal to ask on: --yes removes without a question");
  }
  let kept = 0;
  for (const uri of uris) if (!await removeOne(client, uri, flags)) kept++;
  if (kept > 0) {
    throw new Error(
      kept === uris.length ? "Nothing was removed." : `${kept} of ${uris.length} were not removed.`,
    );
  }
}

/** Resolves to whether it is gone. Among several, one that is not there does not stop the others. */
async function removeOne(client: AssetsClient, uri: string, { yes, json }: RemoveFlags): Promise<boolean> {
  const { asset, etag } = await client.asset(uri);
  const size = asset.asset_file_info.file_size;
  const file = typeof size === "number" ? ` and its file (${formatBytes(size)})` : "";
  if (!yes && !await confirm(`Remove ${printable(asset.asset_uri || uri)}${file}?`)) return false;
  try {
    await client.deleteAsset(uri, { ifMatch: etag });
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== "precondition_failed") throw error;
    await note(`${printable(uri)} was changed meanwhile: look at it again.\n`);
    return false;
  }
  await print(json ? `${JSON.stringify({ uri, status: "removed" })}\n` : `${printable(uri)} is removed\n`);
  return true;
}

async function showAsset(asset: Asset, { json }: ConnectionFlags): Promise<void> {
  if (json) {
    await print(`${JSON.stringify(asset, null, 2)}\n`);
    return;
  }
  const { file_name, file_type, file_size, sha256, ...others } = asset.asset_file_info;
  const file = [file_name, file_type, typeof file_size === "number" ? formatBytes(file_size) : undefined];
  const { version, tag } = asset.asset_version;
  const facts: [string, string][] = [
    ["URI", asset.asset_uri],
    ["Name", asset.asset_name],
    ["Version", version],
    ["Tag", tag],
    ["File", file.filter((part) => part !== undefined).join(", ")],
    ["SHA-256", String(sha256 ?? "")],
    ["Tags", asset.asset_tags.join(", ")],
    ["At", asset.asset_public_url],
    ["Id", asset.asset_id],
    ["Assets DB", asset.assets_db_id],
    ["About", structured(others)],
    ["Metadata", structured(asset.asset_metadata)],
  ];
  for (const [label, text] of facts) {
    if (text !== "") await print(`${bold(label.padEnd(10))} ${printableLines(text)}\n`);
  }
}

function structured(value: JsonObject): string {
  if (Object.keys(value).length === 0) return "";
  return JSON.stringify(value, null, 2).replaceAll("\n", `\n${" ".repeat(11)}`);
}
