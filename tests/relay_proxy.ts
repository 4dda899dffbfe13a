/** TCP proxies on loopback, which tests put between a client and a server: what they have in common. */

/** A proxy under way. */
export abstract class RelayProxy implements AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly #listener: Deno.TcpListener;
  readonly #target: Deno.ConnectOptions;
  readonly #connections = new Set<Deno.Conn>();
  readonly #work = new Set<Promise<void>>();

  /** @param target the URL of the server behind it */
  constructor(target: string | URL) {
    const { hostname, port } = new URL(target);
    this.#target = { hostname, port: Number(port) };
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.url = `http://127.0.0.1:${this.#listener.addr.port}`;
    this.#track(this.#accept());
  }

  /** Whether no connection is open. */
  get isIdle(): boolean {
    return this.#connections.size === 0;
  }

  /** Breaks every connection; new ones are taken. */
  cut(): void {
    for (const connection of this.#connections) close(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await Promise.all(this.#work);
  }

  /** Serves one client to its end. */
  protected abstract relay(client: Deno.Conn): Promise<void>;

  /** A connection to the server, which is broken with the others. */
  protected async connect(): Promise<Deno.Conn> {
    const server = await Deno.connect(this.#target);
    this.#connections.add(server);
    return server;
  }

  /** Closes connections; that they are closed already is no fault. */
  protected end(...connections: Deno.Conn[]): void {
    for (const connection of connections) {
      close(connection);
      this.#connections.delete(connection);
    }
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      this.#connections.add(client);
      this.#track(this.relay(client));
    }
  }

  #track(work: Promise<void>): void {
    // A server that takes no connections is one of the things that tests are about.
    const settled = work.catch((error) => {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    });
    this.#work.add(settled);
    void settled.finally(() => this.#work.delete(settled));
  }
}

/**
 * Copies until either side ends, or `change` gives nothing back; takes the next bytes only when the ones before have been taken.
 *
 * @param change what is to be sent in the place of a chunk, which is used again afterwards
 */
export async function copy(
  from: Deno.Conn,
  to: Deno.Conn,
  change: (chunk: Uint8Array) => Uint8Array | undefined | Promise<Uint8Array | undefined>,
): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  try {
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      const changed = await change(buffer.subarray(0, count));
      if (!changed) return;
      await writeAll(to, changed);
    }
  } catch {
    // A connection that breaks has ended.
  }
}

/** Writes all of the bytes. */
export async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await to.write(rest));
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
