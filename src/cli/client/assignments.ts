/** `key=value` of the command line as JSON. */
import type { Json, JsonObject } from "../../collection/json.ts";
import { isJsonObject } from "../../collection/json.ts";
import { ConfigError } from "../config.ts";

/**
 * A value as it is typed: JSON where it is JSON (`0.9`, `true`, `null`, `["a"]`, `{"b":1}`, `"1"`), else text. A number counts
 * as one only if it is written as JSON would write it: `1.10`, `007` and numbers too long for a double stay text.
 */
export function parseValue(text: string): Json {
  if (/^-?\d/.test(text)) return String(Number(text)) === text ? Number(text) : text;
  if (!/^(true|false|null|".*"|\[.*\]|\{.*\})$/s.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * The two sides of `key=value`.
 *
 * @throws {ConfigError} that names the flag or argument it stands for
 */
export function splitAssignment(text: string, what: string): [key: string, value: string] {
  const at = text.indexOf("=");
  if (at < 1) throw new ConfigError(`${what} must be key=value, not ${JSON.stringify(text)}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** The words of `a,b`, without spaces around them. */
export function splitList(text: string): string[] {
  return text.split(",").map((word) => word.trim()).filter((word) => word !== "");
}

/**
 * An object of `key=value` texts; a dotted key makes objects within it. They go over what is in `base`.
 *
 * @throws {ConfigError} for what is no `key=value`, and for a key that leads through something that is not an object
 */
export function metadataOf(assignments: string[], base: JsonObject = {}): JsonObject {
  const metadata: JsonObject = structuredClone(base);
  for (const assignment of assignments) {
    const [key, value] = splitAssignment(assignment, "--meta");
    const obstacle = setPath(metadata, key.split("."), parseValue(value));
    if (obstacle !== undefined) {
      throw new ConfigError(`--meta ${key} leads through ${obstacle}, which is not an object`);
    }
  }
  return metadata;
}

/** Sets a value in objects within objects, making those that lack. Returns the path of what is in the way, if anything is. */
function setPath(target: JsonObject, [key = "", ...rest]: string[], value: Json): string | undefined {
  const before = Object.hasOwn(target, key) ? target[key] : undefined;
  if (rest.length > 0 && before !== undefined && !isJsonObject(before)) return key;
  const inner: JsonObject = isJsonObject(before) ? before : {};
  // Not by assignment: a key such as __proto__ must become a key.
  const next = rest.length === 0 ? value : inner;
  Object.defineProperty(target, key, { value: next, enumerable: true, writable: true, configurable: true });
  if (rest.length === 0) return undefined;
  const obstacle = setPath(inner, rest, value);
  return obstacle === undefined ? undefined : `${key}.${obstacle}`;
}
