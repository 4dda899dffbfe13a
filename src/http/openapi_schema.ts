/** Zod schemas, the same that validate, as the JSON Schemas of an OpenAPI document. */
import { z, type ZodType } from "zod";
import { isJsonObject, type Json, type JsonObject } from "../collection/json.ts";

/** A JSON Schema of draft 2020-12, which is what OpenAPI 3.1 speaks. */
export type JsonSchema = JsonObject;

/** The reference to a schema of `components.schemas`. */
export function schemaRef(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

/**
 * The schemas of `components.schemas`. Where one holds another of them, it refers to it. What a schema checks beyond JSON
 * Schema (well-formed Unicode, sizes in bytes) is not in it.
 */
export function componentSchemas(named: Record<string, ZodType>): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    unrepresentable: "any",
    io: "input",
    uri: (id) => `#/components/schemas/${id}`,
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _draft, $id: _id, ...schema }]) => [name, asJson(schema)]),
  );
}

/** Zod's schemas are JSON with keys of their own beside. */
function asJson(schema: unknown): JsonSchema {
  const json: Json = JSON.parse(JSON.stringify(schema));
  if (!isJsonObject(json)) throw new TypeError("A schema is an object.");
  return json;
}
