/** The `fields` of a query string: which paths of a document to give back. */
import { ServiceError } from "../errors.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";

/** The chosen keys of one level; `true` means the whole value. */
type Picks = Map<string, Picks | true>;

/**
 * A function that keeps only the given paths of a document, nested as they were.
 *
 * As in a MongoDB projection, a path goes on into the objects of an array, whose other elements are left out.
 *
 * @param text comma-separated dotted paths: `asset_name,asset_file_info.file_size`
 * @throws {ServiceError} `invalid_request` if a path is empty
 */
export function pickFields(text: string): (document: JsonObject) => JsonObject {
  const picks: Picks = new Map();
  for (const path of text.split(",")) add(picks, path.trim());
  return (document) => pickObject(document, picks);
}

function add(picks: Picks, path: string): void {
  const keys = path.split(".");
  if (keys.includes("")) {
    throw new ServiceError(
      "invalid_request",
      `fields has the path ${JSON.stringify(path)}, which names no field.`,
      {
        details: [{ path: "fields", message: "must be comma-separated paths" }],
      },
    );
  }
  let level = picks;
  for (const [n, key] of keys.entries()) {
    const known = level.get(key);
    if (known === true) return;
    if (n === keys.length - 1) {
      level.set(key, true);
    } else {
      const deeper: Picks = known ?? new Map();
      level.set(key, deeper);
      level = deeper;
    }
  }
}

function pickObject(object: JsonObject, picks: Picks): JsonObject {
  const kept: [string, Json][] = [];
  for (const [key, value] of Object.entries(object)) {
    const deeper = picks.get(key);
    if (deeper === true) kept.push([key, value]);
    else if (deeper && Array.isArray(value)) kept.push([key, pickArray(value, deeper)]);
    else if (deeper && isJsonObject(value)) kept.push([key, pickObject(value, deeper)]);
  }
  return Object.fromEntries(kept);
}

function pickArray(array: Json[], picks: Picks): Json[] {
  return array.flatMap((element): Json[] => {
    if (Array.isArray(element)) return [pickArray(element, picks)];
    return isJsonObject(element) ? [pickObject(element, picks)] : [];
  });
}
