/** Holds the answers of servers under test to the description of their API. */
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { describeAssetsDb } from "../../src/assets/openapi.ts";
import { asJsonObject, type Json, type JsonObject } from "../../src/collection/json.ts";
import { describeRegistry } from "../../src/registry/openapi.ts";

/** An answer as it came. */
export interface DescribedAnswer {
  status: number;
  headers: Headers;
  text: string;
}

/** Answers of these statuses come from anywhere: an unknown route, an unknown method. */
const UNDESCRIBED_CODES = ["route_not_found", "method_not_allowed"];

/** One document, compiled on the way. */
class Description {
  readonly #document: JsonObject;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  readonly #compiled = new Map<string, ValidateFunction>();
  readonly #paths: { pattern: RegExp; path: string }[];

  constructor(document: JsonObject) {
    this.#document = document;
    this.#ajv.addSchema(document, "api");
    // A fixed path wins over one with a parameter.
    this.#paths = Object.keys(asJsonObject(document.paths))
      .sort((a, b) => Number(a.includes("{")) - Number(b.includes("{")))
      .map((path) => ({ path, pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, ".+")}$`, "s") }));
  }

  /** What is wrong with an answer; `undefined` if it is as described. */
  faultOf(method: string, path: string, { status, headers, text }: DescribedAnswer): string | undefined {
    const isJson = /^application\/json\b/.test(headers.get("Content-Type") ?? "") && method !== "HEAD";
    const body: Json = isJson ? parse(text) : null;
    if (UNDESCRIBED_CODES.includes(String(asJsonObject(body).code))) {
      return this.#check("#/components/schemas/Error", body);
    }
    const found = this.#paths.find(({ pattern }) => pattern.test(path));
    // The answer to HEAD has no body to say so.
    if (!found && method === "HEAD" && status === 404) return undefined;
    if (!found) return `${path} is not described`;
    const item = asJsonObject(asJsonObject(this.#document.paths)[found.path]);
    const name = method === "HEAD" && !("head" in item) ? "get" : method.toLowerCase();
    if (!(name in item)) return `${method} ${found.path} is not described`;
    const responses = asJsonObject(asJsonObject(item[name]).responses);
    if (!(status in responses)) return `${method} ${found.path} answered ${status} ${text.slice(0, 200)}`;
    if (!isJson) return undefined;
    const content = asJsonObject(asJsonObject(responses[status]).content);
    // A file may be JSON, too.
    if ("*/*" in content) return undefined;
    if (!("application/json" in content)) return `${method} ${found.path} answered ${status} with JSON`;
    const steps = [
      "paths",
      found.path,
      name,
      "responses",
      String(status),
      "content",
      "application/json",
      "schema",
    ];
    return this.#check(`#/${steps.map(pointerStep).join("/")}`, body);
  }

  #check(pointer: string, value: Json): string | undefined {
    let validate = this.#compiled.get(pointer);
    if (!validate) {
      validate = this.#ajv.compile({ $ref: `api${pointer}` });
      this.#compiled.set(pointer, validate);
    }
    return validate(value) ? undefined : `${pointer}: ${this.#ajv.errorsText(validate.errors)}`;
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** RFC 6901 §3, in a URI fragment (§6). */
function pointerStep(name: string): string {
  return encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"));
}

type Mode = "assets-db" | "registry";

const DESCRIBE = { "assets-db": describeAssetsDb, registry: describeRegistry };

/** Those that were needed so far: most tests have servers of one mode. */
const descriptions = new Map<Mode, Description>();

function descriptionOf(mode: Mode): Description {
  const description = descriptions.get(mode) ?? new Description(DESCRIBE[mode]("0.0.0"));
  descriptions.set(mode, description);
  return description;
}

/**
 * Fails if an answer is not as the API's description says.
 *
 * @param mode of the server; if it is not known, one of the descriptions must fit
 */
export function assertDescribed(
  mode: Mode | undefined,
  method: string,
  target: string,
  answer: DescribedAnswer,
): void {
  if (method === "OPTIONS") return;
  const path = target.split("?", 1)[0] ?? "";
  const modes: Mode[] = mode === undefined ? ["assets-db", "registry"] : [mode];
  const faults = modes.map((mode) => descriptionOf(mode).faultOf(method, path, answer));
  if (faults.includes(undefined)) return;
  throw new Error(
    `The API's description does not say so: ${faults.join("\nor: ")}\n${answer.text.slice(0, 500)}`,
  );
}

/** `fetch` of an Assets DB whose answer is small and held to the description. */
export async function describedFetch(url: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(url, init);
  const { status, headers } = response;
  const text = await response.clone().text();
  const method = new Headers(init.headers).get("X-HTTP-Method-Override") ?? init.method ?? "GET";
  assertDescribed("assets-db", method, new URL(url).pathname, { status, headers, text });
  return response;
}
