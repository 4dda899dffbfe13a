/** HTTPS. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConfigError } from "../../src/cli/config.ts";
import { uploadForm } from "./harness.ts";
import { newFolder, removeFolders, run, start } from "./program.ts";
import { startTestServer } from "./harness.ts";
import { CA, CERT, KEY, OTHER_KEY } from "./tls_fixture.ts";

Deno.test.afterAll(removeFolders);

async function files(cert: string, key: string): Promise<{ tlsCert: string; tlsKey: string }> {
  const folder = await newFolder();
  const paths = { tlsCert: `${folder}/cert.pem`, tlsKey: `${folder}/key.pem` };
  await Deno.writeTextFile(paths.tlsCert, cert);
  await Deno.writeTextFile(paths.tlsKey, key);
  return paths;
}

Deno.test("--tls-cert and --tls-key serve HTTPS, public URLs included, and nothing to plain HTTP", async () => {
  await using server = await startTestServer(await files(CERT, KEY));
  assert(server.url.startsWith("https://127.0.0.1:"), server.url);
  using client = Deno.createHttpClient({ caCerts: [CA] });
  const form = uploadForm("the bytes");
  const upload = await fetch(`${server.url}/upload_asset`, { method: "POST", body: form, client });
  const { public_url } = await upload.json();
  assert(public_url.startsWith(`https://localhost:${new URL(server.url).port}/`), public_url);
  const file = await fetch(server.url + new URL(public_url).pathname, { client });
  assertEquals([file.status, await file.text()], [200, "the bytes"]);
  await assertRejects(() => fetch(server.url.replace("https:", "http:")));
});

Deno.test("HTTPS: the program says where it listens, and SIGTERM ends it", async () => {
  const { tlsCert, tlsKey } = await files(CERT, KEY);
  const flags = ["--port", "0", "--data-dir", await newFolder(), "--tls-cert", tlsCert, "--tls-key", tlsKey];
  await using program = await start(flags);
  using client = Deno.createHttpClient({ caCerts: [CA] });
  const health = await fetch(`${program.url}/health`, { client });
  assertEquals([health.status, (await health.json()).message], [200, "healthy"]);
  program.child.kill("SIGTERM");
  assertEquals((await program.child.status).code, 0);
});

Deno.test("A certificate or key that is not there ends the program with exit code 2 and one line that names it", async () => {
  const { tlsCert, tlsKey } = await files(CERT, KEY);
  const flags = ["--port", "0", "--data-dir", await newFolder()];
  for (const [cert, key] of [["/not/there", tlsKey], [tlsCert, "/not/there"]]) {
    const env = { TLS_CERT: cert ?? "", TLS_KEY: key ?? "" };
    const { code, stdout, stderr } = await run(flags, env);
    assertEquals([code, stdout, stderr.trimEnd().split("\n").length], [2, "", 1], stderr);
    assert(stderr.includes("/not/there"), stderr);
  }
});

Deno.test("A certificate or key that is none, and a key of another certificate, are refused by name", async () => {
  const wrong: [cert: string, key: string, named: RegExp][] = [
    ["nonsense", KEY, /cert\.pem holds no PEM of a certificate \(--tls-cert\)/],
    [CERT, "nonsense", /key\.pem holds no PEM of a private key \(--tls-key\)/],
    [CERT, CERT, /key\.pem holds no PEM of a private key \(--tls-key\)/],
    [CERT, OTHER_KEY, /key\.pem is not that of \S+cert\.pem/],
  ];
  for (const [cert, key, named] of wrong) {
    const settings = await files(cert, key);
    const error = await assertRejects(() => startTestServer(settings), ConfigError);
    assert(named.test(error.message) && !error.message.includes("\n"), error.message);
  }
});
