/** An HTTP-blind proxy in front of a service, which does to its connections what networks do. */
import { copy, RelayProxy } from "../relay_proxy.ts";

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
export class FaultProxy extends RelayProxy {
  fault: Fault = { kind: "none" };

  /** Sets what happens from now on; connections that are open are cut, so that the next request meets it. */
  set(fault: Fault): void {
    this.fault = fault;
    this.cut();
  }

  protected override async relay(client: Deno.Conn): Promise<void> {
    try {
      if (this.fault.kind === "status") return await this.#answer(client, this.fault);
      const service = await this.connect();
      try {
        await Promise.race([copy(client, service, (chunk) => chunk), this.#copyBack(service, client)]);
      } finally {
        this.end(service);
      }
    } finally {
      this.end(client);
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
}
