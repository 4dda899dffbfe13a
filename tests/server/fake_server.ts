/** Servers that misbehave, for those that ask them. */

/** A fake on a free port of 127.0.0.1. */
export interface FakeServer extends AsyncDisposable {
  url: string;
}

/** Serves `handler`. */
export function startFake(handler: (request: Request) => Response | Promise<Response>): FakeServer {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
    },
  };
}

/** A server that takes connections and never answers. */
export function startSilent(): FakeServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) connections.push(connection);
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const connection of connections) connection.close();
    },
  };
}

/** The URL of a port that nobody listens on: below those that systems give to whoever asks for any. */
export function refusedUrl(): string {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return `http://127.0.0.1:${port}`;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
