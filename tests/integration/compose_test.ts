/** `deploy/compose.yaml` without containers: the same programs in the same environment, each as a process of this machine. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { parse } from "yaml";
import { startDenokv } from "../../scripts/services/denokv.ts";
import { startMinio } from "../../scripts/services/minio.ts";
import { freePorts } from "../../scripts/services/processes.ts";
import { asJsonObject } from "../../src/collection/json.ts";
import { assertError, assertStatus, listAt, send, textAt } from "../server/client.ts";
import { names, search, statuses } from "../server/federation_fixture.ts";
import { json, uploadForm } from "../server/harness.ts";
import { startProcess } from "../server/subprocess.ts";
import { countOf, until } from "./global_nodes.ts";

const COMPOSE = new URL("../../deploy/compose.yaml", import.meta.url);
const NODES = ["registry", "assets-1", "assets-2"] as const;
const TOKEN = "a-write-token";

async function startAll() {
  const stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "compose-test-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const [kv, s3] = await Promise.all([startDenokv(), startMinio()]);
  stack.use(kv);
  stack.use(s3);
  await s3.createBucket("assets");
  const ports = freePorts(NODES.length);
  const [registryPort, firstPort, secondPort] = ports;
  const services = asJsonObject(
    asJsonObject(parse(await Deno.readTextFile(COMPOSE), { merge: true })).services,
  );
  const nodes: { url: string }[] = [];
  for (const [n, name] of NODES.entries()) {
    const environment = Object.entries(asJsonObject(asJsonObject(services[name]).environment));
    const env = Object.fromEntries(environment.map(([variable, value]) => [
      variable,
      String(value)
        .replace(/\$\{KV_TOKEN[^}]*\}/, kv.token)
        .replace(/\$\{S3_USER[^}]*\}/, s3.accessKeyId)
        .replace(/\$\{S3_PASSWORD[^}]*\}/, s3.secretAccessKey)
        .replace(/\$\{AUTH_WRITE_TOKEN[^}]*\}/, TOKEN)
        .replace(/\$\{PUBLIC_HOST[^}]*\}/, "127.0.0.1")
        .replace("http://kv:4512", kv.url)
        .replace("http://s3:9000", s3.endpoint)
        .replace("http://registry:4000", `http://127.0.0.1:${registryPort}`)
        .replace(/:4000$/, `:${firstPort}`).replace(/:4010$/, `:${secondPort}`),
    ]));
    const node = await startProcess(["--data-dir", join(folder, name)], { env, port: ports[n] });
    stack.defer(async () => void await node.end("SIGTERM"));
    nodes.push(node);
  }
  const [registry, first, second] = nodes;
  if (!registry || !first || !second) throw new TypeError("There are three");
  return { registry, first, second, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("compose.yaml: both Assets DBs register themselves, share their assets, and are searched as one", async () => {
  await using all = await startAll();
  const { registry, first, second } = all;
  await until("both are registered and healthy", async () => {
    const { body } = await send(registry, "/asset_registries?health=healthy", json("POST", {}));
    return listAt(body, "data").length === 2;
  });
  const form = uploadForm("bytes", { name: "Model" });
  assertError(
    await send(first, "/upload_asset", { method: "POST", body: uploadForm("x") }),
    401,
    "unauthenticated",
  );
  const request = { method: "POST", body: form, headers: { Authorization: `Bearer ${TOKEN}` } };
  const made = assertStatus(await send(first, "/upload_asset", request), 201);
  await until("the other has it", async () => await countOf(second, { asset_name: "Model" }) === 1);

  const found = assertStatus(await search(registry, { asset_name: "Model" }), 200);
  assertEquals([names(found), statuses(found)], [["Model"], { "assets-1": "ok", "assets-2": "ok" }]);
  assertEquals((await search(registry, {}, "?count=only")).body.count, 1);
  // Whichever is asked, the bytes come from the owner.
  const redirect = assertStatus(await send(second, `/asset-object/${textAt(made.body, "asset_id")}`), 307);
  const place = redirect.headers.get("Location") ?? "";
  assert(place.startsWith(first.url), place);
  assertEquals(await (await fetch(place)).text(), "bytes");
});
