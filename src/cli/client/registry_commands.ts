/** `assets-server registry add|ls|rm|check|search`: the Assets DBs that a registry knows. */
import type { Command } from "commander";
import { ClientError } from "../../client/client_error.ts";
import { RegistryClient } from "../../client/registry_client.ts";
import { asJsonObject, type JsonObject } from "../../collection/json.ts";
import { ConfigError } from "../config.ts";
import { metadataOf, splitList } from "./assignments.ts";
import { type ConnectionFlags, connectionOf, REGISTRY_SERVER, withConnection } from "./connection_flags.ts";
import { FEDERATED_COLUMNS, plain } from "./asset_columns.ts";
import { ENTRY_WORDS, filterOf } from "./filter_words.ts";
import { interruptible } from "./interrupt.ts";
import { Listing, type ListingColumn, outputForm } from "./listing.ts";
import { type ListFlags, search, withListFlags, WORDS_HELP } from "./search_command.ts";
import { confirm, outputColumns, print, printable } from "./terminal.ts";

interface AddFlags extends ConnectionFlags {
  name: string;
  id?: string;
  tags?: string;
  meta?: string[];
}

const ENTRY_COLUMNS: ListingColumn[] = [
  { title: "ID", cut: "middle", text: (entry) => plain(entry.asset_registry_id) },
  { title: "NAME", text: (entry) => plain(entry.asset_registry_name) },
  { title: "HEALTH", text: (entry) => plain(asJsonObject(entry.health).status) },
  { title: "URL", text: (entry) => plain(entry.asset_registry_public_url) },
  { title: "TAGS", text: (entry) => plain(entry.asset_registry_tags) },
];

/** Adds the command and its own commands. */
export function addRegistryCommand(program: Command): void {
  const registry = program.command("registry")
    .summary("list, add, check and search Assets DBs in a registry")
    .description("What a registry knows: the Assets DBs there are, their health, and all their assets.")
    .helpOption("--help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .addHelpText("after", "\nTo run a registry: assets-server --mode registry --port 4001");
  addAdd(registry);
  addList(registry);
  addRemove(registry);
  addCheck(registry);
  addSearch(registry);
}

function clientOf(flags: ConnectionFlags): RegistryClient {
  return new RegistryClient(connectionOf(flags, { source: REGISTRY_SERVER }));
}

function addAdd(registry: Command): void {
  withConnection(
    registry.command("add")
      .summary("add an Assets DB")
      .description("Adds an Assets DB, and prints the id of its entry.")
      .argument("<url>", "under which it is reached")
      .requiredOption("--name <name>", "what it is called")
      .option("--id <id>", "the id of its entry (default: one is made)")
      .option("--tags <a,b>", "tags, comma-separated")
      .option(
        "--meta <key=value>",
        "a piece of metadata; can be repeated",
        (value: string, before: string[] = []) => [...before, value],
      )
      .addHelpText(
        "after",
        "\nExample:\n  assets-server registry add http://localhost:4000 --name 'The lab' --id lab --tags pytorch --meta floor=3",
      )
      .action(async (url: string, flags: AddFlags) => {
        const id = await clientOf(flags).createEntry({
          ...(flags.id === undefined ? {} : { asset_registry_id: flags.id }),
          asset_registry_name: flags.name,
          asset_registry_public_url: url,
          asset_registry_tags: splitList(flags.tags ?? ""),
          asset_registry_metadata: metadataOf(flags.meta ?? []),
        });
        await print(flags.json ? `${JSON.stringify({ id })}\n` : `${printable(id)}\n`);
      }),
    REGISTRY_SERVER,
  );
}

function addList(registry: Command): void {
  withConnection(
    registry.command("ls")
      .summary("list the Assets DBs and their health")
      .description(
        "Lists the Assets DBs that the registry knows, with their health as it was when it last asked.",
      )
      .argument(
        "[words...]",
        "what to look for: words of the name, tags=a,b, url=…, id=…, metadata, or a filter",
      )
      .option("--ndjson", "print JSON, one object a line")
      .addHelpText(
        "after",
        "\nExamples:\n  assets-server registry ls\n  assets-server registry ls tags=pytorch 'floor>2' --json",
      )
      .action(async (words: string[], flags: ListFlags) => {
        const listing = new Listing(outputForm(flags), ENTRY_COLUMNS, outputColumns());
        for (const entry of await entriesOf(clientOf(flags), filterOf(words, ENTRY_WORDS))) {
          await listing.add(entry);
        }
        await listing.end();
      }),
    REGISTRY_SERVER,
  );
}

/** The entries with their health, where the registry is new enough to keep it. */
async function entriesOf(client: RegistryClient, filter: JsonObject): Promise<JsonObject[]> {
  try {
    return await client.entriesWithHealth(filter);
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== "invalid_request") throw error;
    return await Array.fromAsync(client.entryStream(filter));
  }
}

function addRemove(registry: Command): void {
  withConnection(
    registry.command("rm")
      .summary("remove an Assets DB from the registry")
      .description("Removes the entries of Assets DBs. The Assets DBs themselves stay as they are.")
      .argument("<id...>", "ids of entries")
      .option("-y, --yes", "don't ask")
      .addHelpText("after", "\nExample:\n  assets-server registry rm lab")
      .action(async (ids: string[], flags: ConnectionFlags & { yes?: boolean }) => {
        const client = clientOf(flags);
        if (!flags.yes && !Deno.stdin.isTerminal()) {
          throw new ConfigError("rm has no terminal to ask on: --yes removes without a question");
        }
        for (const id of ids) {
          const { asset_registry_name: name } = await client.entry(id);
          if (!flags.yes && !await confirm(`Remove ${printable(name)} from the registry?`)) {
            throw new Error("Nothing was removed.");
          }
          await client.deleteEntry(id);
          await print(
            flags.json ? `${JSON.stringify({ id, status: "removed" })}\n` : `${printable(id)} is removed\n`,
          );
        }
      }),
    REGISTRY_SERVER,
  );
}

function addCheck(registry: Command): void {
  withConnection(
    registry.command("check")
      .summary("ask an Assets DB how it is")
      .description("Has the registry ask an Assets DB how it is; exit code 0 if it is healthy, 1 if not.")
      .argument("<id>", "the id of its entry")
      .addHelpText("after", "\nExample:\n  assets-server registry check lab && echo fine")
      .action(async (id: string, flags: ConnectionFlags) => {
        const { said, health } = await clientOf(flags).checkHealth(id);
        if (flags.json) await print(`${JSON.stringify({ said, health })}\n`);
        else await print(`${printable(id)} is ${plain(health.status)} (${plain(health.latency_ms)} ms)\n`);
      }),
    REGISTRY_SERVER,
  );
}

function addSearch(registry: Command): void {
  withConnection(
    withListFlags(
      registry.command("search")
        .summary("find assets in all Assets DBs at once")
        .description(
          "Finds assets in every healthy Assets DB of the registry. Those that gave nothing are named on standard error.",
        )
        .argument("[words...]", "what to look for; nothing finds everything")
        .addHelpText("after", `${WORDS_HELP}\n\nExample:\n  assets-server registry search llama 'size>1GB'`)
        .option("--count", "only say how many there are")
        .action(async (words: string[], flags: ListFlags) => {
          await interruptible((signal) =>
            search(words, flags, { source: REGISTRY_SERVER, columns: FEDERATED_COLUMNS, signal })
          );
        }),
    ),
    REGISTRY_SERVER,
  );
}
