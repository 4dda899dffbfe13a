/** A TCP proxy that counts what passes in both directions. */
import { copy, RelayProxy } from "./relay_proxy.ts";

/** A connection through the proxy. */
export interface Relayed {
  /** Bytes that have come from the server. */
  receivedBytes: number;
  isOpen: boolean;
}

/** A proxy under way. */
export class MeteringProxy extends RelayProxy {
  /** Bytes from the clients to the server. */
  sentBytes = 0;
  /** Every connection that there has been. */
  readonly relayed: Relayed[] = [];
  #onChange: () => void = () => {};

  /** Bytes from the server to the clients. */
  get receivedBytes(): number {
    return this.relayed.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
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

  protected override async relay(client: Deno.Conn): Promise<void> {
    const relayed: Relayed = { receivedBytes: 0, isOpen: true };
    this.relayed.push(relayed);
    const server = await this.connect();
    const there = copy(client, server, (chunk) => {
      this.sentBytes += chunk.length;
      this.#onChange();
      return chunk;
    });
    const back = copy(server, client, (chunk) => {
      relayed.receivedBytes += chunk.length;
      this.#onChange();
      return chunk;
    });
    // One that goes takes the other along, and what was on its way.
    await Promise.race([there, back]);
    this.end(client, server);
    relayed.isOpen = false;
    this.#onChange();
    await Promise.all([there, back]);
  }
}
