/** Bearer tokens: every route of both modes against every kind of caller. */
import { assert, assertEquals } from "@std/assert";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { assertError, assertLeft, send } from "./client.ts";
import { json, startTestServer, uploadForm } from "./harness.ts";

type Access = "open" | "read" | "write";
interface Route {
  method: string;
  path: string;
  access: Access;
  /** What an admitted caller gets on an empty server. */
  status: number;
  init?: () => RequestInit;
}

/** A request of the protocol of resumable uploads, perhaps in the name of another method. */
function tus(method: string, override?: string): RequestInit {
  const headers = new Headers({ "Tus-Resumable": "1.0.0" });
  if (override) headers.set("X-HTTP-Method-Override", override);
  return { method, headers };
}

const ROUTES: Record<string, Route[]> = {
  "assets-db": [
    { method: "GET", path: "/health", access: "open", status: 200 },
    { method: "HEAD", path: "/health", access: "open", status: 200 },
    { method: "GET", path: "/livez", access: "open", status: 200 },
    { method: "GET", path: "/readyz", access: "open", status: 200 },
    { method: "GET", path: "/metrics", access: "read", status: 200 },
    { method: "HEAD", path: "/metrics", access: "read", status: 200 },
    { method: "GET", path: "/asset/A:1-t", access: "read", status: 404 },
    { method: "HEAD", path: "/asset/A:1-t", access: "read", status: 404 },
    { method: "GET", path: "/asset-object/x", access: "read", status: 404 },
    { method: "HEAD", path: "/asset-object/x", access: "read", status: 404 },
    { method: "POST", path: "/assets", access: "read", status: 200, init: () => json("POST", {}) },
    { method: "PUT", path: "/asset/A:1-t", access: "write", status: 404, init: () => json("PUT", {}) },
    { method: "DELETE", path: "/asset/A:1-t", access: "write", status: 404 },
    { method: "POST", path: "/asset", access: "write", status: 400, init: () => json("POST", {}) },
    { method: "POST", path: "/assets/bulk", access: "write", status: 415, init: () => json("POST", {}) },
    { method: "OPTIONS", path: "/uploads/", access: "open", status: 204 },
    { method: "HEAD", path: "/uploads/x", access: "read", status: 404, init: () => tus("HEAD") },
    { method: "DELETE", path: "/uploads/x", access: "write", status: 404, init: () => tus("DELETE") },
    { method: "POST", path: "/uploads/", access: "write", status: 400, init: () => tus("POST") },
    { method: "POST", path: "/uploads/x", access: "write", status: 404, init: () => tus("POST", "DELETE") },
    {
      method: "POST",
      path: "/upload_asset",
      access: "write",
      status: 400,
      init: () => ({ method: "POST", body: uploadForm("x", { name: "" }) }),
    },
  ],
  "registry": [
    { method: "GET", path: "/health", access: "open", status: 200 },
    { method: "GET", path: "/livez", access: "open", status: 200 },
    { method: "GET", path: "/readyz", access: "open", status: 200 },
    { method: "GET", path: "/metrics", access: "read", status: 200 },
    { method: "GET", path: "/asset_registry/x", access: "read", status: 404 },
    { method: "HEAD", path: "/asset_registry/x", access: "read", status: 404 },
    { method: "GET", path: "/check_health/x", access: "read", status: 404 },
    { method: "POST", path: "/assets", access: "read", status: 200, init: () => json("POST", {}) },
    { method: "POST", path: "/asset_registries", access: "read", status: 200, init: () => json("POST", {}) },
    { method: "PUT", path: "/asset_registry/x", access: "write", status: 404, init: () => json("PUT", {}) },
    { method: "DELETE", path: "/asset_registry/x", access: "write", status: 404 },
    { method: "POST", path: "/asset_registry", access: "write", status: 400, init: () => json("POST", {}) },
  ],
};

/** `undefined`: no Authorization header. */
const CALLERS: Record<string, string | undefined> = {
  nobody: undefined,
  stranger: "Bearer stranger",
  reader: "Bearer reader-one",
  reader2: "bearer reader-two",
  writer: "Bearer writer-one",
  writer2: "Bearer writer-two",
  basic: "Basic d3JpdGVyLW9uZTo=",
  bare: "writer-one",
  both: "Bearer writer-one,writer-two",
  empty: "Bearer ",
};
const WRITERS = ["writer", "writer2"];
const READERS = ["reader", "reader2"];

const READ_TOKENS = "reader-one, reader-two";
const WRITE_TOKENS = "writer-one,writer-two";
const SETTINGS: Record<string, SettingTexts> = {
  "no tokens": {},
  "write tokens": { authWriteToken: WRITE_TOKENS },
  "read tokens": { authReadToken: READ_TOKENS },
  "both": { authWriteToken: WRITE_TOKENS, authReadToken: READ_TOKENS },
};

/** Section 6, written out: 401 without a known token, 403 with a read token where a write token is needed. */
function expected(settings: SettingTexts, access: Access, caller: string): 401 | 403 | "in" {
  const { authReadToken, authWriteToken } = settings;
  const writes = authWriteToken !== undefined && WRITERS.includes(caller);
  const reads = authReadToken !== undefined && READERS.includes(caller);
  if (access === "open" || (!authReadToken && !authWriteToken)) return "in";
  if (access === "read") return !authReadToken || writes || reads ? "in" : 401;
  if (writes) return "in";
  return reads ? 403 : 401;
}

for (const [mode, routes] of Object.entries(ROUTES)) {
  for (const [tokens, settings] of Object.entries(SETTINGS)) {
    Deno.test(`Authentication of ${mode} with ${tokens}: every route for every caller`, async () => {
      await using server = await startTestServer({ mode, ...settings });
      for (const { method, path, access, status, init } of routes) {
        for (const [caller, authorization] of Object.entries(CALLERS)) {
          const request = init?.() ?? { method };
          const headers = new Headers(request.headers);
          if (authorization !== undefined) headers.set("Authorization", authorization);
          const answer = await send(server, path, { ...request, headers });
          const right = expected(settings, access, caller);
          const what = `${method} ${path} by ${caller}: ${answer.text}`;
          assertEquals(answer.status, right === "in" ? status : right, what);
          if (right === "in") continue;
          if (right === 401) {
            assertEquals(answer.headers.get("WWW-Authenticate")?.split(/[ ,]/)[0], "Bearer", what);
          }
          if (method !== "HEAD") assertError(answer, right, right === 401 ? "unauthenticated" : "forbidden");
        }
      }
    });
  }
}

Deno.test("Every route that the source registers stands in the table above, and none goes past the tokens", async () => {
  const tested = Object.values(ROUTES).flat().map(({ path }) => path);
  const source = new URL("../../src/", import.meta.url);
  for (const room of ["http", "assets", "assets/tus", "registry"]) {
    for await (const { name } of Deno.readDir(new URL(room, source))) {
      if (!name.endsWith(".ts")) continue;
      const text = await Deno.readTextFile(new URL(`${room}/${name}`, source));
      for (const [, pattern = ""] of text.matchAll(/\broute\(\s*app,\s*tokens,\s*"([^"]+)"/g)) {
        const start = pattern.replace(/:.*/, "");
        const isTested = tested.some((path) => start === pattern ? path === pattern : path.startsWith(start));
        assert(isTested, `${pattern} of ${room}/${name} is not tested`);
      }
      // `route` asks for tokens, and so do the routes of tus; whatever else takes requests would not.
      const isKnown = `${room}/${name}` === "http/app.ts" || `${room}/${name}` === "assets/tus/routes.ts";
      assert(
        isKnown || !/\bapp\.(all|get|post|put|patch|delete|on|mount|route)\(/.test(text),
        `${room}/${name}`,
      );
    }
  }
});

Deno.test("A refused upload leaves nothing", async () => {
  await using server = await startTestServer({ authWriteToken: WRITE_TOKENS });
  const answer = await send(server, "/upload_asset", { method: "POST", body: uploadForm("x") });
  assertError(answer, 401, "unauthenticated");
  await assertLeft(server, 0);
});

Deno.test("No answer tells a token", async () => {
  await using server = await startTestServer(SETTINGS.both ?? {});
  const answer = await send(server, "/assets", json("POST", {}, { Authorization: "Bearer wrong-token" }));
  assert(!/reader-one|writer-one|wrong-token/.test(answer.text), answer.text);
  const unknown = await send(server, "/nowhere", { headers: { Authorization: "Bearer reader-one" } });
  assert(!/reader-one/.test(unknown.text), unknown.text);
});
