/** An HTTP-blind proxy in front of a service, which does to its connections what networks do. */

/** What happens to connections. */
export type Fault =
  | { kind: "none" }
  /** Whatever comes is cut off by a reset, after so many bytes of the answers. */
  | { kind: "reset"; afterBytes: number }
  /** Every piece of an answer comes so much later. */
  | { kind: "latency"; ms: number }
  /** Nothing comes back any more, and the connection stays open. */
  | { kind: "silence" }
  /** The service itself says so, to every request, and closes the connection. */
  | { kind: "status"; status: number; code: string };

/** A proxy under way. */
export class FaultProxy implements AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  fault: Fault = { kind: "none" };
  readonly #listener: Deno.TcpListener;
  readonly #target: Deno.ConnectOptions;
  readonly #connections = new Set<Deno.Conn>();
  readonly #relays = new Set<Promise<void>>();

  constructor(target: URL) {
    this.#target = { hostname: target.hostname, port: Number(target.port) };
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.url = `http://127.0.0.1:${this.#listener.addr.port}`;
    this.#track(this.#accept());
  }

  /** Sets what happens from now on; connections that are open are cut, so that the next request meets it. */
  set(fault: Fault): void {
    this.fault = fault;
    for (const connection of this.#connections) close(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) close(connection);
    await Promise.all(this.#relays);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) this.#track(this.#relay(client));
  }

  async #relay(client: Deno.Conn): Promise<void> {
    this.#connections.add(client);
    try {
      if (this.fault.kind === "status") return await this.#answer(client, this.fault);
      const service = await Deno.connect(this.#target);
      this.#connections.add(service);
      try {
        await Promise.race([copy(client, service), this.#copyBack(service, client)]);
      } finally {
        close(service);
        this.#connections.delete(service);
      }
    } finally {
      close(client);
      this.#connections.delete(client);
    }
  }

  async #copyBack(service: Deno.Conn, client: Deno.Conn): Promise<void> {
    let bytes = 0;
    await copy(service, client, async (chunk) => {
      const { fault } = this;
      if (fault.kind === "latency") await new Promise((resolve) => setTimeout(resolve, fault.ms));
      if (fault.kind === "silence") return chunk.subarray(chunk.length);
      if (fault.kind !== "reset") return chunk;
      const left = Math.max(0, fault.afterBytes - bytes);
      bytes += chunk.length;
      return left >= chunk.length ? chunk : undefined;
    });
  }

  /** Takes what the client sends, and answers once it has begun. */
  async #answer(client: Deno.Conn, { status, code }: Fault & { kind: "status" }): Promise<void> {
    try {
      await client.read(new Uint8Array(64 * 1024));
      const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>Injected</Message></Error>`;
      const head = [`HTTP/1.1 ${status} Injected`, "Content-Type: application/xml", "Connection: close"];
      const text = `${head.join("\r\n")}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      await client.write(new TextEncoder().encode(text));
    } catch {
      // The client has gone.
    }
  }

  #track(work: Promise<void>): void {
    const settled = work.catch(() => {});
    this.#relays.add(settled);
    settled.finally(() => this.#relays.delete(settled));
  }
}

/** Copies until either side ends, or `change` gives nothing back. */
async function copy(
  from: Deno.Conn,
  to: Deno.Conn,
  change: (chunk: Uint8Array) => Promise<Uint8Array | undefined> = (chunk) => Promise.resolve(chunk),
): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  try {
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      const changed = await change(buffer.subarray(0, count));
      if (!changed) return;
      for (let rest = changed; rest.length > 0;) rest = rest.subarray(await to.write(rest));
    }
  } catch {
    // A connection that breaks has ended.
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
