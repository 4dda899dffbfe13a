/** JSON, and what is in it, if it is there. */

/** JSON. */
export type Json = null | boolean | number | string | Json[] | JsonObject;

/** An object in JSON. */
export interface JsonObject {
  [key: string]: Json;
}

/** The value as an object; an empty one if it is none. */
export function object(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** Whether it is an object of JSON. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as a list of objects. */
export function objects(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.map(object) : [];
}

/** The value as text; "" if it is none. */
export function text(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}
