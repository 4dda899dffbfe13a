/** A TCP proxy that counts what passes, between a server and the service behind it. */

/** A connection through the proxy. */
export interface Relayed {
  /** Bytes that have come back from the service. */
  bytesBack: number;
  isOpen: boolean;
}

/** A proxy under way. */
export class CountingProxy implements AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Every connection that there has been. */
  readonly relayed: Relayed[] = [];
  readonly #listener: Deno.TcpListener;
  readonly #target: Deno.ConnectOptions;
  readonly #connections = new Set<Deno.Conn>();
  readonly #relays = new Set<Promise<void>>();
  #onChange: () => void = () => {};

  constructor(target: URL) {
    this.#target = { hostname: target.hostname, port: Number(target.port) };
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.url = `http://127.0.0.1:${this.#listener.addr.port}`;
    this.#track(this.#accept());
  }

  /** Bytes that have come back from the service, of all connections. */
  get bytesBack(): number {
    return this.relayed.reduce((sum, { bytesBack }) => sum + bytesBack, 0);
  }

  /** Resolves when `isSo` says yes, which it is asked whenever bytes have passed or a connection has ended. */
  async until(isSo: () => boolean): Promise<void> {
    for (;;) {
      const { promise: changed, resolve } = Promise.withResolvers<void>();
      this.#onChange = resolve;
      if (isSo()) return;
      await changed;
    }
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
    const relayed: Relayed = { bytesBack: 0, isOpen: true };
    this.relayed.push(relayed);
    const service = await Deno.connect(this.#target);
    const there = copy(client, service, () => {});
    const back = copy(service, client, (count) => {
      relayed.bytesBack += count;
      this.#onChange();
    });
    // One that goes takes the other along, and what was on its way.
    await Promise.race([there, back]);
    close(client);
    close(service);
    await Promise.all([there, back]);
    this.#connections.delete(client);
    relayed.isOpen = false;
    this.#onChange();
  }

  #track(work: Promise<void>): void {
    this.#relays.add(work);
    work.finally(() => this.#relays.delete(work));
  }
}

/** Copies until either side ends; takes the next bytes only when the ones before have been taken. */
async function copy(from: Deno.Conn, to: Deno.Conn, onBytes: (count: number) => void): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
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
