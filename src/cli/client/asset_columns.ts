/** Assets as rows: the columns of a list, chosen or not, and the short names of their fields. */
import { asJsonObject, type Json, type JsonObject } from "../../collection/json.ts";
import { ASSET_WORDS, pathOf } from "./filter_words.ts";
import type { ListingColumn } from "./listing.ts";
import { formatBytes } from "./quantities.ts";

/** The columns of assets when none are chosen. */
export const ASSET_COLUMNS: ListingColumn[] = [
  { title: "URI", cut: "middle", text: (asset) => plain(asset.asset_uri) || plain(asset.asset_name) },
  { title: "SIZE", align: "right", text: (asset) => sizeText(asJsonObject(asset.asset_file_info).file_size) },
  { title: "TYPE", text: (asset) => plain(asJsonObject(asset.asset_file_info).file_type) },
  { title: "TAGS", text: (asset) => plain(asset.asset_tags) },
];

/** The columns of assets from many Assets DBs. */
export const FEDERATED_COLUMNS: ListingColumn[] = [
  ...ASSET_COLUMNS.slice(0, 2),
  { title: "AT", text: (asset) => originOf(plain(asset.asset_public_url)) },
  ...ASSET_COLUMNS.slice(2),
];

/** The fields that those columns need. */
export const ASSET_COLUMN_FIELDS =
  "asset_uri,asset_name,asset_file_info.file_size,asset_file_info.file_type,asset_tags,asset_public_url";

/** The full paths of `uri,size,license`. */
export function fieldPaths(text: string | undefined): string[] | undefined {
  return text?.split(",").map((field) => fullPath(field.trim())).filter((path) => path !== "");
}

/** The full paths of `-size,name`, as the server takes them. */
export function sortPaths(text: string | undefined): string | undefined {
  return text?.split(",").map((field) => {
    const name = field.trim();
    return name.startsWith("-") ? `-${fullPath(name.slice(1))}` : fullPath(name);
  }).join(",");
}

/** As in the words of a search; nothing stays nothing. */
function fullPath(name: string): string {
  return name === "" ? "" : pathOf(name, ASSET_WORDS);
}

/** A column for each path. */
export function columnsOf(paths: string[]): ListingColumn[] {
  return paths.map((path, index): ListingColumn => {
    const isSize = path === ASSET_WORDS.sizes.size;
    return {
      title: path.replace(/^asset_(metadata|file_info|version)\./, "").replace(/^asset_/, "").toUpperCase(),
      cut: index === 0 ? "middle" : "end",
      align: isSize ? "right" : "left",
      text: (document) => isSize ? sizeText(valueAt(document, path)) : plain(valueAt(document, path)),
      rawText: (document) => plain(valueAt(document, path)),
    };
  });
}

function valueAt(document: JsonObject, path: string): Json | undefined {
  let here: Json | undefined = document;
  for (const key of path.split(".")) here = asJsonObject(here)[key];
  return here;
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}

function sizeText(value: Json | undefined): string {
  return typeof value === "number" ? formatBytes(value) : "";
}

/** A value in a cell. */
export function plain(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
