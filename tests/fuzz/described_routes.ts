/** The routes of a server as its own OpenAPI document has them, so that no route can be forgotten here. */
import { asJsonObject, type Json, type JsonObject } from "../../src/collection/json.ts";

/** One method of one path. */
export interface DescribedRoute {
  method: string;
  /** With parameters in braces. */
  path: string;
  /** Names of headers and of what the query string may hold. */
  headers: string[];
  queries: string[];
  /** The media type of the body, if there is one. */
  bodyType: string | undefined;
  /** Bodies that are in order, from the examples. */
  bodies: Json[];
}

/** Asks a server for its document. */
export async function describedRoutes(url: string): Promise<DescribedRoute[]> {
  const document = asJsonObject(await (await fetch(`${url}/openapi.json`)).json());
  return Object.entries(asJsonObject(document.paths)).flatMap(([path, item]) =>
    Object.entries(asJsonObject(item)).map(([method, operation]) =>
      routeOf(method.toUpperCase(), path, asJsonObject(operation))
    )
  );
}

function routeOf(method: string, path: string, operation: JsonObject): DescribedRoute {
  const { parameters, requestBody } = operation;
  const named = (place: string) =>
    (Array.isArray(parameters) ? parameters : []).map((one) => asJsonObject(one))
      .filter((one) => one.in === place).map(({ name }) => String(name));
  const [type, content] = Object.entries(asJsonObject(asJsonObject(requestBody).content))[0] ?? [];
  return {
    method,
    path,
    headers: named("header"),
    queries: named("query"),
    bodyType: type,
    bodies: content === undefined ? [] : examplesOf(asJsonObject(content)),
  };
}

function examplesOf({ example, examples }: JsonObject): Json[] {
  const several = Object.values(asJsonObject(examples)).map((one) => asJsonObject(one).value ?? null);
  return example === undefined ? several : [example, ...several];
}
