/** A TCP proxy that can hold back what clients send, and deliver it when they have long given up: the making of a ghost. */

import { Buffer } from "node:buffer";

/** Bytes of one client, held back, and where they go. */
interface Relay {
  service: Deno.Conn;
  held: Uint8Array[];
  isHeld: boolean;
  /** What comes from now on is lost. */
  isSealed: boolean;
}

/** A proxy under way, on loopback. */
export class HoldingProxy implements AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly #listener: Deno.TcpListener;
  readonly #target: Deno.ConnectOptions;
  readonly #connections = new Set<Deno.Conn>();
  readonly #relays = new Set<Relay>();
  readonly #work = new Set<Promise<void>>();
  #holdsNew = false;
  #trigger: Buffer | undefined;

  constructor(target: URL) {
    this.#target = { hostname: target.hostname, port: Number(target.port) };
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.url = `http://127.0.0.1:${this.#listener.addr.port}`;
    this.#track(this.#accept());
  }

  /** How many bytes are held back. */
  get heldBytes(): number {
    return [...this.#relays].flatMap(({ held }) => held).reduce((sum, { length }) => sum + length, 0);
  }

  /** From now on the connections that there are stand still; with `everything` also those to come. */
  hold({ everything = false } = {}): void {
    this.#holdsNew = everything;
    for (const relay of this.#relays) relay.isHeld = true;
  }

  /** The connection on which this text comes next stands still from there on. */
  holdFrom(text: string): void {
    this.#trigger = Buffer.from(text);
  }

  /** Loses whatever comes later on the held connections, such as the client's word that it gives up. */
  seal(): void {
    for (const relay of this.#relays) relay.isSealed = relay.isHeld;
  }

  /** Delivers what was held back, in order; new connections pass as before. */
  async deliver(): Promise<void> {
    for (const relay of this.#relays) {
      for (const bytes of relay.held.splice(0)) await writeAll(relay.service, bytes);
      relay.isHeld = false;
    }
  }

  /** New connections pass again; those that stand still go on doing so. */
  passNew(): void {
    this.#holdsNew = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) close(connection);
    await Promise.all(this.#work);
  }

  #track(work: Promise<void>): void {
    this.#work.add(work);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) this.#track(this.#relay(client));
  }

  async #relay(client: Deno.Conn): Promise<void> {
    const service = await Deno.connect(this.#target);
    this.#connections.add(client).add(service);
    const relay: Relay = { service, held: [], isHeld: this.#holdsNew, isSealed: false };
    this.#relays.add(relay);
    const there = read(client, async (bytes) => {
      if (relay.isSealed) return;
      if (this.#trigger && Buffer.from(bytes).includes(this.#trigger)) {
        this.#trigger = undefined;
        relay.isHeld = true;
      }
      if (relay.isHeld) relay.held.push(bytes.slice());
      else await writeAll(service, bytes);
    });
    const back = read(service, (bytes) => writeAll(client, bytes));
    await Promise.race([there, back]);
    // What a client that has gone left behind may still be delivered.
    if (!relay.isHeld) [client, service].forEach(close);
    await Promise.all([there, back]);
  }
}

async function read(from: Deno.Conn, take: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  try {
    for (;;) {
      const count = await from.read(buffer);
      if (count === null) return;
      await take(buffer.subarray(0, count));
    }
  } catch {
    // The other end is gone.
  }
}

async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await to.write(bytes.subarray(written));
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed.
  }
}
