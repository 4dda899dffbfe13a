import { assertEquals } from "@std/assert";
import { AccessTokens } from "../../src/http/auth.ts";
import { createApp, route } from "../../src/http/app.ts";
import { createFront } from "../../src/http/front.ts";
import { connect, writeAll } from "../server/raw.ts";

Deno.test("Work that is given up because its client went away is no failure of the server", async () => {
  const app = createApp();
  const { promise: started, resolve: start } = Promise.withResolvers<void>();
  route(app, new AccessTokens([]), "/work", {
    GET: {
      access: "open",
      async handle(context) {
        const { signal } = context.req.raw;
        start();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        throw signal.reason;
      },
    },
  });
  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  const edge = { origins: [], idleTimeoutMs: 1000, publicHost: () => "localhost" };
  const observer = { begin() {}, end: ({ status }: { status: number }) => end(status) };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    createFront(app, edge, observer),
  );
  const connection = await connect({ url: `http://127.0.0.1:${server.addr.port}` });
  await writeAll(connection, "GET /work HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await started;
  connection.close();
  assertEquals(await ended, 400);
  await server.shutdown();
});
