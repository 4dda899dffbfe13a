/** A TCP proxy that can hold back what clients send, and deliver it when they have long given up: the making of a ghost. */
import { Buffer } from "node:buffer";
import { copy, RelayProxy, writeAll } from "../relay_proxy.ts";

/** Bytes of one client, held back, and where they go. */
interface Relay {
  service: Deno.Conn;
  held: Uint8Array[];
  isHeld: boolean;
  /** What comes from now on is lost. */
  isSealed: boolean;
}

/** A proxy under way. */
export class HoldingProxy extends RelayProxy {
  readonly #relays = new Set<Relay>();
  #holdsNew = false;
  #trigger: Buffer | undefined;

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

  protected override async relay(client: Deno.Conn): Promise<void> {
    const service = await this.connect();
    const relay: Relay = { service, held: [], isHeld: this.#holdsNew, isSealed: false };
    this.#relays.add(relay);
    const there = copy(client, service, (bytes) => {
      const none = bytes.subarray(bytes.length);
      if (relay.isSealed) return none;
      if (this.#trigger && Buffer.from(bytes).includes(this.#trigger)) {
        this.#trigger = undefined;
        relay.isHeld = true;
      }
      if (!relay.isHeld) return bytes;
      relay.held.push(bytes.slice());
      return none;
    });
    const back = copy(service, client, (bytes) => bytes);
    await Promise.race([there, back]);
    // What a client that has gone left behind may still be delivered.
    if (!relay.isHeld) this.end(client, service);
    await Promise.all([there, back]);
  }
}
