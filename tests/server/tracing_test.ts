/** Traces: what reaches a collector that is told of by OpenTelemetry's own variables. */
import { assert, assertEquals } from "@std/assert";
import { asJsonObject, type Json, type JsonObject } from "../../src/collection/json.ts";
import { listAt, send } from "./client.ts";
import { json, uploadForm } from "./harness.ts";
import { newFolder, removeFolders, start } from "./program.ts";

Deno.test.afterAll(removeFolders);

/** A collector that takes OTLP over HTTP as JSON. */
function startCollector() {
  const spans: JsonObject[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const text = await request.text();
    if (new URL(request.url).pathname === "/v1/traces") spans.push(...spansOf(JSON.parse(text)));
    return Response.json({});
  });
  return {
    spans,
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function spansOf(body: Json): JsonObject[] {
  const scopes = listAt(body, "resourceSpans").flatMap((resource) => listAt(resource, "scopeSpans"));
  return scopes.flatMap((scope) => listAt(scope, "spans")).map(asJsonObject);
}

Deno.test("OTEL_DENO=true sends spans of requests, and in them those of the query, the KV and the store", async () => {
  await using collector = startCollector();
  await using program = await start(["--port", "0", "--data-dir", await newFolder()], {
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: "100",
    AUTH_WRITE_TOKEN: "SECRET",
  });
  const headers = { Authorization: "Bearer SECRET" };
  await send(program, "/upload_asset", { method: "POST", body: uploadForm("bytes"), headers });
  await send(program, "/assets", json("POST", {}));
  for (let tries = 0; tries < 200; tries++) {
    if (collector.spans.some(({ name }) => name === "query")) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  program.child.kill("SIGTERM");
  assertEquals((await program.child.status).code, 0);
  const named = (name: string) => collector.spans.find((span) => span.name === name);
  const upload = named("POST /upload_asset");
  const query = named("query");
  assert(
    upload !== undefined && query !== undefined,
    JSON.stringify(collector.spans.map(({ name }) => name)),
  );
  const ofUpload = collector.spans.filter(({ traceId }) => traceId === upload?.traceId).map(({ name }) =>
    name
  );
  for (const name of ["object_store.put", "kv.commit"]) {
    assert(ofUpload.includes(name), JSON.stringify(ofUpload));
  }
  assertEquals(named("POST /assets")?.spanId, query?.parentSpanId);
  assert(!JSON.stringify(collector.spans).includes("SECRET"));
});
