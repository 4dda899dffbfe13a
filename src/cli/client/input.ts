/** Files of the user's: what is read from them, or from standard input where `-` stands for one, and what goes wrong. */
import { dirname } from "node:path";
import { isJsonObject, type JsonObject } from "../../collection/json.ts";
import { ConfigError } from "../config.ts";

/** The bytes of a file, or of standard input. */
export async function openInput(path: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  if (path === "-") return Deno.stdin.readable;
  try {
    return (await Deno.open(path)).readable;
  } catch (error) {
    throw fileError(error, path);
  }
}

/**
 * The JSON object in a file, or on standard input.
 *
 * @param what the flag that names it, for errors
 */
export async function readJsonObject(path: string, what: string): Promise<JsonObject> {
  const text = await new Response(await openInput(path)).text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${what} ${path} is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (isJsonObject(json)) return json;
  throw new ConfigError(`${what} ${path} must hold a JSON object`);
}

/** One line for what went wrong with a file of the user's. */
export function fileError(error: unknown, path: string): Error {
  const name = JSON.stringify(path);
  if (error instanceof Deno.errors.NotFound) return new ConfigError(`There is no ${name}`);
  if (error instanceof Deno.errors.PermissionDenied) return new Error(`${name}: permission denied`);
  // Deno's own words advise flags that this program does not have.
  if (error instanceof Deno.errors.NotCapable) return new Error(`${name}: this program may not open it`);
  if (error instanceof Deno.errors.IsADirectory) return new ConfigError(`${name} is a folder`);
  return error instanceof Error ? new Error(`${name}: ${error.message}`, { cause: error }) : new Error(name);
}

/** One line for what went wrong with a file that is to be written: what is not there is its folder. */
export function outputError(error: unknown, path: string): Error {
  const folder = JSON.stringify(dirname(path));
  if (error instanceof Deno.errors.NotFound) return new ConfigError(`There is no folder ${folder}`);
  if (error instanceof Deno.errors.NotADirectory) return new ConfigError(`${folder} is no folder`);
  return fileError(error, path);
}

/** Makes a folder unless it is there, and those that lead to it. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory) {
      throw new ConfigError(`${JSON.stringify(path)} is no folder`);
    }
    throw fileError(error, path);
  }
}
