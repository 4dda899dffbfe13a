/**
 * The small language of `search`: words as a MongoDB filter.
 *
 *     llama                 the name has "llama" in it, in upper or lower case
 *     name=llama*           * stands for anything; without one the whole value must match
 *     tags=nlp,checked      has all of these tags
 *     size>=1GB             =  !=  >  >=  <  <=
 *     quality.score>0.8     any other key is one of asset_metadata
 *     {"asset_tags":"nlp"}  a filter as it is
 *
 * Words are joined by "and".
 */
import { isJsonObject, type Json, type JsonObject } from "../../collection/json.ts";
import { ConfigError } from "../config.ts";
import { parseSizeBytes } from "../units.ts";
import { parseValue, splitList } from "./assignments.ts";

/** The short names of a kind of document. */
export interface Vocabulary {
  /** Where a bare word is looked for. */
  name: string;
  /** Fields that hold text. */
  texts: Record<string, string>;
  /** Fields that hold lists of text. */
  lists: Record<string, string>;
  /** Fields that hold a size in bytes. */
  sizes: Record<string, string>;
  /** What other keys are in, and what full paths begin with. */
  metadata: string;
  prefix: string;
}

/** The short names of an asset's fields. */
export const ASSET_WORDS: Vocabulary = {
  name: "asset_name",
  texts: {
    name: "asset_name",
    uri: "asset_uri",
    version: "asset_version.version",
    tag: "asset_version.tag",
    id: "asset_id",
    db: "assets_db_id",
    url: "asset_public_url",
    file: "asset_file_info.file_name",
    type: "asset_file_info.file_type",
    sha256: "asset_file_info.sha256",
  },
  lists: { tags: "asset_tags" },
  sizes: { size: "asset_file_info.file_size" },
  metadata: "asset_metadata",
  prefix: "asset",
};

/** The short names of a registry entry's fields. */
export const ENTRY_WORDS: Vocabulary = {
  name: "asset_registry_name",
  texts: { name: "asset_registry_name", id: "asset_registry_id", url: "asset_registry_public_url" },
  lists: { tags: "asset_registry_tags" },
  sizes: {},
  metadata: "asset_registry_metadata",
  prefix: "asset_registry_",
};

const OPERATORS: Record<string, string> = { ">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte" };

/**
 * The filter that the words of a command line mean; none of them means everything.
 *
 * @throws {ConfigError}
 */
export function filterOf(words: string[], vocabulary: Vocabulary): JsonObject {
  if (words.length === 1 && words[0]?.trimStart().startsWith("{")) return parseFilter(words[0]);
  const conditions = words.map((word) =>
    word.trimStart().startsWith("{") ? parseFilter(word) : condition(word, vocabulary)
  );
  const [only] = conditions;
  if (only === undefined) return {};
  return conditions.length === 1 ? only : { $and: conditions };
}

function parseFilter(text: string): JsonObject {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`the filter is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (isJsonObject(json)) return json;
  throw new ConfigError("the filter must be a JSON object");
}

function condition(word: string, vocabulary: Vocabulary): JsonObject {
  const match = /^([^=<>!\s]+)(!=|>=|<=|=|>|<)(.*)$/s.exec(word);
  const [, key = "", operator = "=", text = ""] = match ?? [];
  if (!match) return { [vocabulary.name]: containing(word) };
  const { texts, lists, sizes } = vocabulary;
  if (Object.hasOwn(lists, key)) return listCondition(lists[key] ?? "", operator, text);
  const path = pathOf(key, vocabulary);
  const size = Object.hasOwn(sizes, key) ? sizeOf(text) : undefined;
  const value = size ?? (Object.hasOwn(texts, key) ? text : parseValue(text));
  const comparison = OPERATORS[operator];
  if (comparison !== undefined) return { [path]: { [comparison]: value } };
  const wanted = typeof value === "string" ? pattern(value) : alsoAsText(value, text);
  return { [path]: operator === "!=" ? { $not: wanted } : wanted };
}

/** The full path of a short name, of a full path, or else of a key of the metadata. */
export function pathOf(key: string, { texts, lists, sizes, prefix, metadata }: Vocabulary): string {
  for (const fields of [texts, lists, sizes]) if (Object.hasOwn(fields, key)) return fields[key] ?? key;
  return key.startsWith(prefix) && /^asset(s_db_id|_)/.test(key) ? key : `${metadata}.${key}`;
}

function listCondition(path: string, operator: string, text: string): JsonObject {
  const words = splitList(text);
  if (words.length === 0) throw new ConfigError(`"${path}" needs at least one word behind ${operator}`);
  if (operator === "=") return { $and: words.map((word) => ({ [path]: pattern(word) })) };
  if (operator === "!=") return { $nor: words.map((word) => ({ [path]: pattern(word) })) };
  throw new ConfigError(`"${path}" can be compared by = and != only`);
}

function sizeOf(text: string): number {
  const size = parseSizeBytes(text);
  if (size === undefined) throw new ConfigError(`${JSON.stringify(text)} is no size such as 500MB or 2GiB`);
  return size;
}

/** Whoever stored `2024` may have stored it as text. */
function alsoAsText(value: Json, text: string): JsonObject {
  return typeof value === "number" ? { $in: [value, text] } : { $eq: value };
}

function pattern(text: string): JsonObject {
  if (!text.includes("*")) return { $eq: text };
  return { $regex: `^${text.split("*").map(literal).join(".*")}$`, $options: "is" };
}

function containing(word: string): JsonObject {
  return { $regex: word.split("*").map(literal).join(".*"), $options: "is" };
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
