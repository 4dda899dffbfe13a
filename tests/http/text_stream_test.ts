import { assertEquals } from "@std/assert";
import { createApp, route } from "../../src/http/app.ts";
import { AccessTokens } from "../../src/http/auth.ts";
import { createFront } from "../../src/http/front.ts";
import { streamText } from "../../src/http/text_stream.ts";
import { connect, writeAll } from "../server/raw.ts";

/** Asks for a text without end over a bare socket; what makes it tells when it has been ended, and after how many pieces. */
async function ask(
  idleTimeoutMs: number,
  read: (connection: Deno.TcpConn) => Promise<void>,
): Promise<number> {
  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  async function* endless() {
    let pieces = 0;
    try {
      for (;;) {
        pieces++;
        yield await Promise.resolve("x".repeat(100_000));
      }
    } finally {
      end(pieces);
    }
  }
  const app = createApp();
  route(app, new AccessTokens([]), "/text", {
    GET: { access: "open", handle: (context) => streamText(context, endless(), "text/plain") },
  });
  const edge = { origins: [], idleTimeoutMs, publicHost: () => "localhost" };
  const front = createFront(app, edge, { begin() {}, end() {} });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, front);
  const connection = await connect({ url: `http://127.0.0.1:${server.addr.port}` });
  await writeAll(connection, "GET /text HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await read(connection);
  const pieces = await ended;
  connection.close();
  await server.shutdown();
  return pieces;
}

Deno.test("streamText() ends what makes the text when the client takes nothing of it for the idle time", async () => {
  await ask(200, () => Promise.resolve());
});

Deno.test("streamText() goes on for a client that is slow but takes something", async () => {
  const buffer = new Uint8Array(2 ** 20);
  let isReading = true;
  const pieces = await ask(400, async (connection) => {
    for (let n = 0; n < 40; n++) {
      await connection.read(buffer);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    isReading = false;
  });
  assertEquals(isReading, false, "it was not ended while it read");
  assertEquals(pieces > 40, true, `${pieces} pieces`);
});
