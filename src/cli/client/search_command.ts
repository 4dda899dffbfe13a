/** `assets-server search`: assets by words or by a filter, as a table or for programs. */
import type { Command } from "commander";
import { AssetsClient } from "../../client/assets_client.ts";
import type { SearchSource } from "../../client/query.ts";
import type { JsonObject } from "../../collection/json.ts";
import { ConfigError } from "../config.ts";
import { ASSET_COLUMN_FIELDS, ASSET_COLUMNS, columnsOf, fieldPaths, sortPaths } from "./asset_columns.ts";
import { type ConnectionFlags, connectionOf, type ServerSource, withConnection } from "./connection_flags.ts";
import { ASSET_WORDS, filterOf } from "./filter_words.ts";
import { interruptible } from "./interrupt.ts";
import { Listing, type ListingColumn, type OutputForm, outputForm } from "./listing.ts";
import { count } from "./quantities.ts";
import { note, outputColumns, print, printable } from "./terminal.ts";

/** The flags of everything that lists documents. */
export interface ListFlags extends ConnectionFlags {
  ndjson?: boolean;
  limit?: string;
  sort?: string;
  fields?: string;
  count?: boolean;
}

/** How many rows a terminal is shown unless more are asked for. */
const TERMINAL_LIMIT = 50;
/** The largest page of the server. */
const MAX_PAGE = 10_000;

/** What `search` says of its words. */
export const WORDS_HELP = `
Words, joined by "and":
  llama                    the name has "llama" in it
  name=llama*              * stands for anything; without one the whole value must match
  version=1.0 tag=base     likewise uri, file, type, id, db, url, sha256
  tags=nlp,checked         has all of these tags
  size>=1GB                = != > >= < <=; quote them for the shell
  quality.score>0.8        any other key is one of the metadata
  '{"asset_tags":"nlp"}'   a MongoDB filter`;

const EXAMPLES = `${WORDS_HELP}

Examples:
  assets-server search llama 'size>1GB' --sort -size
  assets-server search tags=nlp license=mit --fields uri,size,license
  assets-server search '{"asset_metadata.score":{"$gte":0.9}}' --ndjson | jq .asset_uri
  assets-server search --count`;

/** Adds the command. */
export function addSearchCommand(program: Command): void {
  withConnection(withListFlags(
    program.command("search")
      .summary("find assets by words or by a filter")
      .description(
        "Finds assets. On a terminal it shows a table, in a pipe lines of fields with tabs between them.",
      )
      .argument("[words...]", "what to look for; nothing finds everything")
      .option("--count", "only say how many there are")
      .addHelpText("after", EXAMPLES)
      .action(async (words: string[], flags: ListFlags) => {
        await interruptible((signal) => search(words, flags, { signal }));
      }),
  ));
}

/** Adds the flags of everything that lists documents. */
export function withListFlags(command: Command): Command {
  return command
    .option("--ndjson", "print JSON, one object a line, as it comes")
    .option("--limit <number>", `at most so many (default: ${TERMINAL_LIMIT} in a table, else all)`)
    .option("--sort <fields>", "fields, comma-separated, with - in front for descending: -size,name")
    .option("--fields <fields>", "the fields to show, comma-separated: uri,size,license");
}

/** Where to search, and what to show unless something is chosen. */
interface SearchScope {
  source?: ServerSource;
  columns?: ListingColumn[];
  signal: AbortSignal;
}

/** Searches an Assets DB or a registry, and prints what it finds. */
export async function search(words: string[], flags: ListFlags, scope: SearchScope): Promise<void> {
  const { signal, columns = ASSET_COLUMNS } = scope;
  const filter = filterOf(words, ASSET_WORDS);
  const form = outputForm(flags);
  const client = new AssetsClient(connectionOf(flags, scope));
  if (flags.count) {
    const number = await client.countAssets(filter, { signal });
    await print(flags.json ? `${JSON.stringify({ count: number })}\n` : `${number}\n`);
    return;
  }
  const paths = fieldPaths(flags.fields);
  const limit = limitOf(flags.limit, form);
  const fields = paths?.join(",") ?? (form === "table" || form === "lines" ? ASSET_COLUMN_FIELDS : undefined);
  let sources: SearchSource[] = [];
  const onSources = (told: SearchSource[]) => void (sources = told);
  const options = { sort: sortPaths(flags.sort), fields, signal, onSources };
  const listing = new Listing(form, paths === undefined ? columns : columnsOf(paths), outputColumns());
  const found = limit === undefined || limit > MAX_PAGE
    ? client.assetStream(filter, options)
    : (await client.assets(filter, { ...options, limit })).data;
  await list(found, limit, listing);
  if (form === "table" && listing.count === 0) await note("Nothing was found.\n");
  if (form === "table" && flags.limit === undefined && listing.count === limit) {
    const total = await client.countAssets(filter, { signal });
    if (total > limit) {
      await note(`${listing.count} of ${count(total, "asset")}; --limit ${total} shows all.\n`);
    }
  }
  for (const failure of sourceFailures(sources)) await note(`${failure}\n`);
}

/** What is to be said of the Assets DBs that a registry could not ask. */
export function sourceFailures(sources: SearchSource[]): string[] {
  return sources.filter(({ status }) => status !== "ok").map(({ asset_registry_name, status, error }) =>
    printable(`${asset_registry_name}: ${status}${error === undefined ? "" : ` (${error})`}`)
  );
}

async function list(
  found: Iterable<JsonObject> | AsyncIterable<JsonObject>,
  limit: number | undefined,
  listing: Listing,
): Promise<void> {
  for await (const document of found) {
    await listing.add(document);
    if (listing.count === limit) break;
  }
  await listing.end();
}

/** @throws {ConfigError} */
export function limitOf(text: string | undefined, form: OutputForm): number | undefined {
  if (text === undefined) return form === "table" ? TERMINAL_LIMIT : undefined;
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text);
  throw new ConfigError(`--limit must be a number from 1, not ${JSON.stringify(text)}`);
}
