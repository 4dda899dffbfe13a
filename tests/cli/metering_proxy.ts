/** A TCP proxy that counts what passes in both directions, and can break every connection. */

/** A proxy under way. */
export class MeteringProxy implements AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Bytes from the clients to the server. */
  sentBytes = 0;
  /** Bytes from the server to the clients. */
  receivedBytes = 0;
  readonly #listener: Deno.TcpListener;
  readonly #port: number;
  readonly #open = new Set<Deno.Conn>();
  readonly #relays = new Set<Promise<void>>();
  #onChange: () => void = () => {};

  constructor({ url }: { url: string }) {
    this.#port = Number(new URL(url).port);
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.url = `http://127.0.0.1:${this.#listener.addr.port}`;
    this.#track(this.#accept());
  }

  /** Resolves when `isSo` says yes, which it is asked whenever bytes have passed. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.#onChange = resolve);
  }

  /** Whether no connection is open. */
  get isIdle(): boolean {
    return this.#open.size === 0;
  }

  /** Breaks every connection; new ones are taken. */
  cut(): void {
    for (const connection of this.#open) close(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await Promise.all(this.#relays);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) this.#track(this.#relay(client));
  }

  async #relay(client: Deno.Conn): Promise<void> {
    const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
    for (const connection of [client, server]) this.#open.add(connection);
    const there = copy(client, server, (count) => this.#count({ sentBytes: this.sentBytes + count }));
    const back = copy(server, client, (count) => this.#count({ receivedBytes: this.receivedBytes + count }));
    await Promise.race([there, back]);
    for (const connection of [client, server]) {
      close(connection);
      this.#open.delete(connection);
    }
    this.#onChange();
    await Promise.all([there, back]);
  }

  #count(counted: { sentBytes?: number; receivedBytes?: number }): void {
    Object.assign(this, counted);
    this.#onChange();
  }

  #track(work: Promise<void>): void {
    this.#relays.add(work);
    work.finally(() => this.#relays.delete(work));
  }
}

async function copy(from: Deno.Conn, to: Deno.Conn, onBytes: (count: number) => void): Promise<void> {
  const buffer = new Uint8Array(256 * 1024);
  try {
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      onBytes(count);
      for (let rest = buffer.subarray(0, count); rest.length > 0;) rest = rest.subarray(await to.write(rest));
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
