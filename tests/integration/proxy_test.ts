/** The server behind nginx and Caddy, with the configurations that the README gives. */
import { assert, assertEquals } from "@std/assert";
import { freePorts } from "../../scripts/services/processes.ts";
import { User } from "../cli/command_line.ts";
import { readmeBlocks } from "../readme.ts";
import { filesBelow, listAt, query, uploaded } from "../server/client.ts";
import { startTestServer, type TestServer } from "../server/harness.ts";
import { CA, CERT, KEY } from "../server/tls_fixture.ts";

const MIB = 2 ** 20;
const HEADING = "Behind nginx or Caddy";

/** A proxy in a process of its own, in front of a server that knows its URL. */
interface Proxied extends AsyncDisposable {
  /** What clients use. */
  url: string;
  /** The server behind it. */
  server: TestServer;
  client: Deno.HttpClient;
}

/** How a kind of proxy is started. */
interface Kind {
  name: string;
  scheme: "http" | "https";
  path: string;
  /** The command line, after its files were written to `folder`. */
  prepare(folder: string, port: number, serverPort: string): Promise<string[]>;
}

async function recipe(language: string, index = 0): Promise<string> {
  const found = (await readmeBlocks()).filter((one) => one.heading === HEADING && one.language === language);
  const text = found[index]?.text;
  if (text === undefined) throw new Error(`The README has no recipe ${index} in ${language}`);
  return text;
}

/** The README's server, with the paths and ports of a test. */
async function nginxCommand(folder: string, port: number, serverPort: string, location = "") {
  await Deno.writeTextFile(`${folder}/cert.pem`, CERT);
  await Deno.writeTextFile(`${folder}/key.pem`, KEY);
  const server = (await recipe("nginx"))
    .replace("listen 443 ssl;", `listen 127.0.0.1:${port} ssl;`)
    .replace("server_name assets.example.com;", "server_name localhost;")
    .replace("/etc/ssl/assets.pem", `${folder}/cert.pem`)
    .replace("/etc/ssl/assets.key", `${folder}/key.pem`)
    // The one below a path goes into the same server.
    .replace(/\n\}\n$/, `\n${location}\n}\n`)
    .replaceAll("127.0.0.1:4000", `127.0.0.1:${serverPort}`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
    `${name}_temp_path ${folder}/${name};`
  );
  await Deno.writeTextFile(
    `${folder}/nginx.conf`,
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr warn; events {}
     http { access_log off; ${temporary.join(" ")} ${server} }`,
  );
  return ["nginx", "-c", `${folder}/nginx.conf`, "-p", folder, "-e", "stderr"];
}

const KINDS: Kind[] = [
  { name: "nginx", scheme: "https", path: "", prepare: nginxCommand },
  {
    name: "nginx, below a path",
    scheme: "https",
    path: "/store",
    prepare: async (folder, port, serverPort) =>
      await nginxCommand(folder, port, serverPort, await recipe("nginx", 1)),
  },
  {
    name: "Caddy",
    scheme: "http",
    path: "",
    async prepare(folder, port, serverPort) {
      const site = (await recipe("caddyfile"))
        .replace("assets.example.com", `http://localhost:${port}`)
        .replace("127.0.0.1:4000", `127.0.0.1:${serverPort}`);
      const file = `${folder}/Caddyfile`;
      await Deno.writeTextFile(file, `{\n  admin off\n  storage file_system ${folder}\n}\n${site}`);
      return ["caddy", "run", "--adapter", "caddyfile", "--config", file];
    },
  },
];

async function startProxied({ scheme, path, prepare }: Kind): Promise<Proxied> {
  const [port = 0] = freePorts(1);
  const url = `${scheme}://localhost:${port}${path}`;
  const server = await startTestServer({ publicUrl: url, trustedProxies: "127.0.0.1" });
  const folder = await Deno.makeTempDir({ prefix: "proxy-test-" });
  const [program = "", ...args] = await prepare(folder, port, new URL(server.url).port);
  const command = { args, stdin: "null", stdout: "null", stderr: "piped", env: { HOME: folder } } as const;
  const child = new Deno.Command(program, command).spawn();
  const complaints = new Response(child.stderr).text();
  const stop = async () => {
    child.kill("SIGTERM");
    await child.status;
    await complaints;
    await server[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  };
  const ended = child.status.then(async () => {
    throw new Error(`${program} ended before it listened: ${await complaints}`);
  });
  await Promise.race([listening(port), ended]);
  ended.catch(() => {});
  const client = Deno.createHttpClient({ caCerts: [CA] });
  return {
    url,
    server,
    client,
    async [Symbol.asyncDispose]() {
      client.close();
      await stop();
    },
  };
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`Nothing listens on ${port}`);
}

/** A form whose file stops after its first MiB until it is told to go on. */
function haltingForm(onHalt: Promise<void>) {
  const text = new TextEncoder();
  const metadata = JSON.stringify({ asset_name: "slow", asset_version: { version: "1", tag: "x" } });
  async function* bytes() {
    yield text.encode(
      `--b\r\nContent-Disposition: form-data; name="asset_metadata"\r\n\r\n${metadata}\r\n` +
        '--b\r\nContent-Disposition: form-data; name="asset"; filename="slow.bin"\r\n\r\n',
    );
    for (let part = 0; part < 16; part++) yield new Uint8Array(64 * 1024);
    await onHalt;
    yield text.encode("the end\r\n--b--\r\n");
  }
  return {
    method: "POST",
    headers: { "Content-Type": "multipart/form-data; boundary=b" },
    body: ReadableStream.from(bytes()),
  };
}

for (const kind of KINDS) {
  Deno.test(`Behind ${kind.name}: uploads pass as they come, and are not limited`, async () => {
    await using proxied = await startProxied(kind);
    const { url, client, server } = proxied;
    const { promise, resolve } = Promise.withResolvers<void>();
    const answer = fetch(`${url}/upload_asset`, { ...haltingForm(promise), client });
    answer.catch(() => {});
    // The proxy waits for no end: the server has what was sent.
    const written = async () => {
      for (const path of await filesBelow(`${server.dataDir}/objects`)) {
        if ((await Deno.stat(path).catch(() => ({ size: 0 }))).size > MIB / 2) return true;
      }
      return false;
    };
    for (let tries = 0; tries < 100 && !await written(); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert(await written(), "The proxy holds the upload back");
    resolve();
    const response = await answer;
    const { public_url } = await response.json();
    assertEquals(response.status, 201);
    assert(String(public_url).startsWith(`${url}/asset-object/`), public_url);
    const file = await fetch(public_url, { headers: { Range: "bytes=1048576-" }, client });
    assertEquals([file.status, await file.text()], [206, "the end"]);
  });

  Deno.test(`Behind ${kind.name}: push in pieces, pull and update work, with URIs of all kinds`, async () => {
    await using proxied = await startProxied(kind);
    const { url, client, server } = proxied;
    await using user = await User.create({ url });
    await Deno.writeTextFile(`${user.folder}/ca.pem`, CA);
    const env = { NODE_EXTRA_CA_CERTS: `${user.folder}/ca.pem` };
    await user.write("a.bin", new Uint8Array(5 * MIB).fill(7));
    const names = ["meta-llama/Llama 3", "100%?", "名前#1", "a+b&c", "a//b"];
    for (const name of names) {
      await user.succeed(["push", "a.bin", "--name", name, "--piece-size", "2MiB"], { env });
      const copy = await user.run(["pull", `${name}:1.0-initial`, "-o", "copy.bin", "--force", "--json"], {
        env,
      });
      assertEquals(copy.code, 0, copy.stderr);
      assertEquals(JSON.parse(copy.stdout).verified, true);
      await user.succeed(["update", `${name}:1.0-initial`, "tag=seen"], { env });
    }
    assertEquals(
      listAt((await query(server, { "asset_version.tag": "seen" })).body, "data").length,
      names.length,
    );
    const raw = await fetch(`${url}/asset/meta-llama/Llama%203:1.0-seen`, { client });
    assertEquals(raw.status, 200, await raw.text());
  });

  Deno.test(`Behind ${kind.name}: a resumable upload is found where its Location leads`, async () => {
    await using proxied = await startProxied(kind);
    const { url, client } = proxied;
    const metadata = btoa(JSON.stringify({ asset_name: "t", asset_version: { version: "1", tag: "x" } }));
    const made = await fetch(`${url}/uploads/`, {
      method: "POST",
      headers: {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "5",
        "Upload-Metadata": `filename ${btoa("a.txt")},asset_metadata ${metadata}`,
      },
      client,
    });
    await made.body?.cancel();
    assertEquals(made.status, 201);
    const location = new URL(made.headers.get("Location") ?? "", `${url}/uploads/`).href;
    assert(location.startsWith(`${url}/uploads/`), location);
    const head = await fetch(location, { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" }, client });
    assertEquals([head.status, head.headers.get("Upload-Offset")], [200, "0"]);
  });

  Deno.test(`Behind ${kind.name}: the server's own page may change things, another's may not`, async () => {
    await using proxied = await startProxied(kind);
    const { url, client, server } = proxied;
    await uploaded(server, "x");
    const page = await fetch(`${url}/ui/`, { client });
    assertEquals(page.status, 200);
    assert((await page.text()).includes('src="assets.js"'), "The page's script is not relative");
    const change = (origin: string) =>
      fetch(`${url}/asset/Sample:1.0-initial`, {
        method: "PUT",
        headers: { "Content-Type": "application/json", Origin: origin },
        body: '{"asset_tags":["a"]}',
        client,
      });
    const own = await change(new URL(url).origin);
    assertEquals(own.status, 200, await own.text());
    const foreign = await change("https://evil.example.com");
    await foreign.body?.cancel();
    assertEquals(foreign.status, 403);
  });
}
