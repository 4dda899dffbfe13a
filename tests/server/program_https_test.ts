/** The program with the rights that the task `start` gives it, and others behind HTTPS. */
import { assertEquals } from "@std/assert";
import { at, send } from "./client.ts";
import { json, uploadForm } from "./harness.ts";
import { newFolder, removeFolders, start } from "./program.ts";
import { CA, CERT, KEY } from "./tls_fixture.ts";

Deno.test.afterAll(removeFolders);

/** A server behind HTTPS, under a name that its certificate has. */
function startSecure(answer: (request: Request) => Response) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, cert: CERT, key: KEY, onListen() {} }, answer);
  return { url: `https://localhost:${server.addr.port}`, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** The environment in which the program trusts that certificate. */
async function trusting(): Promise<Record<string, string>> {
  const file = `${await newFolder()}/ca.pem`;
  await Deno.writeTextFile(file, CA);
  return { NODE_EXTRA_CA_CERTS: file };
}

Deno.test("A registry asks Assets DBs behind HTTPS, whose authority NODE_EXTRA_CA_CERTS names", async () => {
  await using db = startSecure(() => Response.json({ success: true, message: "healthy" }));
  const flags = ["--mode", "registry", "--port", "0", "--data-dir", await newFolder()];
  await using registry = await start(flags, await trusting());
  const entry = { asset_registry_name: "N", asset_registry_id: "n", asset_registry_public_url: db.url };
  assertEquals((await send(registry, "/asset_registry", json("POST", entry))).status, 201);
  const { status, body, text } = await send(registry, "/check_health/n");
  assertEquals([status, at(body, "health.status")], [200, "healthy"], text);
});

Deno.test("An Assets DB stores files in an S3 service behind HTTPS, whose authority NODE_EXTRA_CA_CERTS names", async () => {
  const stored: string[] = [];
  await using s3 = startSecure(({ method, url }) => {
    if (method === "PUT") stored.push(new URL(url).pathname.replace(/[^/]+$/, ""));
    return new Response(null, { status: method === "PUT" ? 200 : 404, headers: { ETag: '"x"' } });
  });
  const flags = [
    "--port",
    "0",
    "--data-dir",
    await newFolder(),
    "--s3-bucket",
    "models",
    "--s3-endpoint",
    s3.url,
  ];
  await using program = await start(flags, await trusting());
  const { status, text } = await send(program, "/upload_asset", {
    method: "POST",
    body: uploadForm("the bytes"),
  });
  assertEquals([status, stored], [201, ["/models/asset/"]], text);
});
