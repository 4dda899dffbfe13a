import { assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { systemErrorCode } from "../../src/objects/durable_fs.ts";
import { sendBlocks } from "../../src/objects/block_request.ts";
import { patternBytes } from "./object_store_suite.ts";

const BLOCKS = [patternBytes(300_000), patternBytes(3_000_000), new Uint8Array(0), patternBytes(7)];
const NEVER = new AbortController().signal;

function put(url: string, signal = NEVER): Promise<Response> {
  return sendBlocks(new URL(url), { method: "PUT", headers: { "x-name": "a" }, blocks: BLOCKS, signal });
}

/** A server of one connection that does as it likes. */
function startRaw(behave: (connection: Deno.Conn) => Promise<unknown>) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const done = (async () => {
    const connection = await listener.accept();
    await behave(connection).catch(() => {});
    try {
      connection.close();
    } catch {
      // It has closed it itself.
    }
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.transport === "tcp" ? listener.addr.port : 0}/`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await done;
    },
  };
}

function answer(connection: Deno.Conn, text: string): Promise<number> {
  return connection.write(new TextEncoder().encode(text));
}

Deno.test("sendBlocks() sends the blocks as one body of a stated length, and gives the answer", async () => {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const hash = createHash("sha256").update(new Uint8Array(await request.arrayBuffer())).digest("hex");
    const { method, headers } = request;
    const length = headers.get("content-length");
    return Response.json([method, headers.get("x-name"), length, hash], {
      status: 299,
      headers: { etag: '"e"' },
    });
  });
  const response = await put(`http://127.0.0.1:${server.addr.port}/`);
  const hash = createHash("sha256");
  for (const block of BLOCKS) hash.update(block);
  assertEquals([response.status, response.headers.get("etag")], [299, '"e"']);
  assertEquals(await response.json(), ["PUT", "a", "3300007", hash.digest("hex")]);
  await server.shutdown();
});

Deno.test("sendBlocks() goes by the proxy that the environment names", async () => {
  const proxy = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => Response.json([request.url, (await request.arrayBuffer()).byteLength]),
  );
  const script = `
    import { sendBlocks } from "${import.meta.resolve("../../src/objects/block_request.ts")}";
    const blocks = [new Uint8Array(70_000), new Uint8Array(5)];
    const request = { method: "PUT", headers: {}, blocks, signal: new AbortController().signal };
    console.log(await (await sendBlocks(new URL("http://s3.invalid/k"), request)).text());`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", script],
    env: { HTTP_PROXY: `http://127.0.0.1:${proxy.addr.port}`, NO_PROXY: "" },
  }).output();
  assertEquals(JSON.parse(new TextDecoder().decode(stdout)), ["http://s3.invalid/k", 70_005]);
  await proxy.shutdown();
});

Deno.test("sendBlocks() sends no block as an empty body", async () => {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => new Response(request.headers.get("content-length")),
  );
  const url = new URL(`http://127.0.0.1:${server.addr.port}/`);
  const response = await sendBlocks(url, { method: "PUT", headers: {}, blocks: [], signal: NEVER });
  assertEquals(await response.text(), "0");
  await server.shutdown();
});

Deno.test("sendBlocks() gives an answer that comes before the body was taken", async () => {
  await using server = startRaw(async (connection) => {
    await connection.read(new Uint8Array(1000));
    await answer(connection, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
    // Takes what comes, so that the answer is not lost with a reset connection.
    while (await connection.read(new Uint8Array(65_536)) !== null);
  });
  const response = await put(server.url);
  assertEquals([response.status, await response.text()], [403, "no"]);
});

Deno.test("sendBlocks() throws a TypeError with the system's error when nobody listens", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const error = await assertRejects(() => put(`http://127.0.0.1:${port}/`), TypeError);
  assertEquals(systemErrorCode(error.cause), "ECONNREFUSED");
});

Deno.test("sendBlocks() waits for an answer longer than a connection is kept without a request", async () => {
  await using server = startRaw(async (connection) => {
    let leftBytes = 3_300_007;
    const buffer = new Uint8Array(65_536);
    while (leftBytes > 0) leftBytes -= await connection.read(buffer) ?? leftBytes;
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    await answer(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  assertEquals(await (await put(server.url)).text(), "ok");
});

for (
  const [what, text] of [
    ["without an answer", ""],
    ["in the head of its answer", "HTTP/1.1 200 OK\r\nContent-"],
    ["in the body of its answer", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123"],
  ] as const
) {
  Deno.test(`sendBlocks() throws a TypeError when the connection ends ${what}`, async () => {
    await using server = startRaw(async (connection) => {
      await connection.read(new Uint8Array(1000));
      if (text !== "") await answer(connection, text);
    });
    await assertRejects(() => put(server.url), TypeError);
  });
}

Deno.test("sendBlocks() throws the signal's reason while a server takes nothing more", async () => {
  const { promise: hasBegun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: isOver, resolve: end } = Promise.withResolvers<void>();
  await using server = startRaw(async (connection) => {
    await connection.read(new Uint8Array(1000));
    begin();
    await isOver;
  });
  const stop = new AbortController();
  const sending = put(server.url, stop.signal);
  await hasBegun;
  stop.abort(new Error("enough"));
  await assertRejects(() => sending, Error, "enough");
  end();
});
