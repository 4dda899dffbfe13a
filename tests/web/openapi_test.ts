/** The description of the API: valid, complete, open to all, and readable. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { asJsonObject, isJsonObject, type Json, type JsonObject } from "../../src/collection/json.ts";
import { ERROR_CODES } from "../../src/http/openapi_errors.ts";
import { send } from "../server/client.ts";
import { assertDescribed } from "../server/described.ts";
import { startTestServer } from "../server/harness.ts";

const MODES = ["assets-db", "registry"];

/** The document that a server of this mode serves. */
async function served(mode: string): Promise<JsonObject> {
  await using server = await startTestServer({ mode });
  return (await send(server, "/openapi.json")).body;
}

/** The operations of a document, with the names of their methods and paths. */
function operationsOf(document: JsonObject): { name: string; operation: JsonObject }[] {
  return Object.entries(asJsonObject(document.paths)).flatMap(([path, item]) =>
    Object.entries(asJsonObject(item)).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      operation: asJsonObject(operation),
    }))
  );
}

/** Every object within, itself included. */
function* objectsIn(value: Json): Generator<JsonObject> {
  if (Array.isArray(value)) { for (const one of value) yield* objectsIn(one); }
  else if (isJsonObject(value)) {
    yield value;
    for (const one of Object.values(value)) yield* objectsIn(one);
  }
}

for (const mode of MODES) {
  Deno.test(`GET /openapi.json of ${mode} is a valid OpenAPI 3.1 document`, async () => {
    const { valid, errors } = await new Validator().validate(await served(mode));
    assert(valid, JSON.stringify(errors, null, 2));
  });

  Deno.test(`The examples of ${mode} fit their schemas`, async () => {
    const document = await served(mode);
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(document, "api");
    let checked = 0;
    for (const media of objectsIn(document.paths ?? null)) {
      if (!isJsonObject(media.schema) || media.in !== undefined) continue;
      const absolute = JSON.stringify(media.schema).replaceAll('"$ref":"#/', '"$ref":"api#/');
      const validate = ajv.compile(asJsonObject(JSON.parse(absolute)));
      const examples = Object.values(asJsonObject(media.examples ?? {})).map((one) =>
        asJsonObject(one).value
      );
      for (const example of media.example === undefined ? examples : [media.example]) {
        checked++;
        assert(validate(example), `${JSON.stringify(example)}: ${ajv.errorsText(validate.errors)}`);
      }
    }
    assert(checked > 50, `${checked} examples`);
  });

  Deno.test(`Every answer in JSON of ${mode} has an example, every operation a summary and a name of its own`, async () => {
    const operations = operationsOf(await served(mode));
    for (const { name, operation } of operations) {
      assert(typeof operation.summary === "string" && operation.summary !== "", name);
      for (const [status, response] of Object.entries(asJsonObject(operation.responses))) {
        const json = asJsonObject(asJsonObject(response).content)["application/json"];
        if (!isJsonObject(json)) continue;
        assert(json.example !== undefined || json.examples !== undefined, `${name} ${status}`);
      }
    }
    assertEquals(new Set(operations.map(({ operation }) => operation.operationId)).size, operations.length);
  });

  Deno.test(`What the description of ${mode} has is there`, async () => {
    await using server = await startTestServer({ mode });
    for (const { name } of operationsOf((await send(server, "/openapi.json")).body)) {
      const [method = "", path = ""] = name.split(" ");
      const headers: HeadersInit = path.startsWith("/uploads/{") ? { "X-HTTP-Method-Override": "HEAD" } : {};
      const answer = await send(server, path.replaceAll(/\{\w+\}/g, "nothing"), {
        method,
        headers: method === "POST" ? headers : {},
      });
      assert(!["route_not_found", "method_not_allowed"].includes(String(answer.body.code)), name);
    }
  });

  Deno.test(`GET /docs of ${mode} shows every route, and loads nothing from elsewhere`, async () => {
    await using server = await startTestServer({ mode, authReadToken: "read" });
    const document = (await send(server, "/openapi.json")).body;
    const page = await send(server, "/docs");
    assertEquals(page.status, 200);
    assert(/^text\/html\b/.test(page.headers.get("Content-Type") ?? ""));
    const policy = page.headers.get("Content-Security-Policy") ?? "";
    assert(policy.includes("default-src 'none'") && !policy.includes("unsafe"), policy);
    for (const { name, operation } of operationsOf(document)) {
      assert(page.text.includes(`id="${operation.operationId}"`), name);
    }
    for (const [, address = ""] of page.text.matchAll(/\b(?:src|href)="([^"]*)"/g)) {
      assert(!/^[a-z]+:|^\/\//i.test(address), address);
      if (address.startsWith("#")) {
        assert(page.text.includes(`id="${address.slice(1)}"`), address);
        continue;
      }
      const target = await fetch(new URL(address, `${server.url}/docs`));
      await target.body?.cancel();
      assertEquals(target.status, 200, address);
    }
  });
}

Deno.test("Every error code but those of no route is described for some route", async () => {
  const text = JSON.stringify([
    ...operationsOf(await served("assets-db")),
    ...operationsOf(await served("registry")),
  ]);
  const missing = ERROR_CODES.filter((code) => !text.includes(`"code":"${code}"`));
  assertEquals(missing, ["route_not_found", "method_not_allowed"]);
});

Deno.test("An answer that the description does not know is noticed", () => {
  const headers = new Headers({ "Content-Type": "application/json" });
  const answer = { status: 200, headers, text: '{"success":true,"data":{"asset_uri":"x"}}' };
  assertThrows(() => assertDescribed("assets-db", "GET", "/asset/x", answer), Error, "asset_name");
  assertThrows(
    () => assertDescribed("assets-db", "GET", "/asset/x", { ...answer, status: 418 }),
    Error,
    "418",
  );
  assertThrows(() => assertDescribed("assets-db", "GET", "/elsewhere", answer), Error, "/elsewhere");
});
