/** Updates by path: a top-level field is replaced whole, a dotted path sets one leaf. */
import { type FieldProblem, ServiceError } from "../errors.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";

/** Deeper paths would make documents that are too deep to read back. */
const MAX_PATH_DEPTH = 90;

/**
 * A copy of `document` with the changes applied. Missing parents are made.
 *
 * @param changes paths and their new values
 * @param fields the top-level fields there are
 * @throws {ServiceError} `invalid_request` that lists every path that is unknown, malformed, in conflict with another
 * one, or leads through something that is not an object
 */
export function applyPaths(document: JsonObject, changes: JsonObject, fields: readonly string[]): JsonObject {
  const problems: FieldProblem[] = [];
  const next = structuredClone(document);
  const paths = Object.keys(changes);
  for (const [path, value] of Object.entries(changes)) {
    const message = problemOf(path, paths, fields) ?? setPath(next, path.split("."), value);
    if (message !== undefined) problems.push({ path, message });
  }
  if (problems.length > 0) {
    const text = problems.map(({ path, message }) => `${path || '""'} ${message}`).join("; ");
    throw new ServiceError("invalid_request", `${text}.`, { details: problems });
  }
  return next;
}

function problemOf(path: string, paths: string[], fields: readonly string[]): string | undefined {
  const keys = path.split(".");
  if (!fields.includes(keys[0] ?? "")) return "is not a known field";
  if (keys.includes("")) return "is not a path: it has an empty key";
  if (keys.length > MAX_PATH_DEPTH) return `is more than ${MAX_PATH_DEPTH} levels deep`;
  const other = paths.find((one) => path.startsWith(`${one}.`));
  return other === undefined ? undefined : `conflicts with ${other}, which is set as well`;
}

function setPath(document: JsonObject, keys: string[], value: Json): string | undefined {
  let parent = document;
  for (const [n, key] of keys.slice(0, -1).entries()) {
    const child = Object.hasOwn(parent, key) ? parent[key] : setOwn(parent, key, {});
    if (!isJsonObject(child)) {
      return `leads through ${keys.slice(0, n + 1).join(".")}, which is not an object`;
    }
    parent = child;
  }
  setOwn(parent, keys.at(-1) ?? "", value);
  return undefined;
}

/** An assignment would take `__proto__` for the prototype. */
function setOwn(object: JsonObject, key: string, value: Json): Json {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  return value;
}
