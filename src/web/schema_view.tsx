/** @jsxImportSource hono/jsx */
/** A JSON Schema as a list of its properties. */
import type { Child } from "hono/jsx";
import { asJsonObject, isJsonObject, type Json, type JsonObject } from "../collection/json.ts";
import { prose } from "./prose.tsx";

/** Shows a schema; what it refers to is linked. */
export function SchemaView({ schema }: { schema: JsonObject }): Child {
  const properties = Object.entries(asJsonObject(schema.properties));
  const required = Array.isArray(schema.required) ? schema.required : [];
  if (properties.length === 0) {
    return Object.keys(schema).length === 0 ? null : <p class="type">{typeOf(schema)} {describe(schema)}</p>;
  }
  return (
    <>
      {schema.description !== undefined && <p>{describe(schema)}</p>}
      <dl class="parameters">
        {properties.map(([name, property]) => (
          <div>
            <dt>
              <code>{name}</code>{" "}
              <small>
                {typeOf(asJsonObject(property))}
                {required.includes(name) ? ", required" : ""}
              </small>
            </dt>
            <dd>
              {describe(asJsonObject(property))}
              {nested(asJsonObject(property))}
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function describe({ description }: JsonObject): Child {
  return typeof description === "string" ? <>{prose(description)}</> : null;
}

/** The properties of what a property holds. */
function nested(property: JsonObject): Child {
  const inner = isJsonObject(property.items) ? property.items : property;
  if (!isJsonObject(inner.properties)) return null;
  const { description: _shown, ...rest } = inner;
  return <SchemaView schema={rest} />;
}

/** In a few words, such as `string, at most 512 characters`. */
function typeOf(schema: JsonObject): Child {
  if (typeof schema.$ref === "string") return <Reference to={schema.$ref} />;
  if (Array.isArray(schema.anyOf)) return joined(schema.anyOf, " or ");
  if (Array.isArray(schema.allOf)) return joined(schema.allOf, "; ");
  if (Array.isArray(schema.enum)) {
    return schema.enum.map((value) => JSON.stringify(value)).join(" · ");
  }
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (isJsonObject(schema.items)) return <>list of {typeOf(schema.items)}</>;
  if (isJsonObject(schema.properties) && isJsonObject(schema.properties.code)) {
    return <>code {typeOf(schema.properties.code)}</>;
  }
  return [name(schema.type), limits(schema)].filter((part) => part !== "").join(
    ", ",
  );
}

function joined(schemas: Json[], separator: string): Child {
  return (
    <>
      {schemas.map((one, index) => <>{index > 0 && separator}{typeOf(asJsonObject(one))}</>)}
    </>
  );
}

function Reference({ to }: { to: string }) {
  const name = to.slice(to.lastIndexOf("/") + 1);
  return <a href={`#schema-${name}`}>{name}</a>;
}

function name(type: Json | undefined): string {
  return typeof type === "string" ? type : "anything";
}

function limits({ minimum, maxLength }: JsonObject): string {
  return [
    typeof minimum === "number" ? `at least ${minimum}` : "",
    typeof maxLength === "number" ? `at most ${maxLength} characters` : "",
  ].filter((part) => part !== "").join(", ");
}
