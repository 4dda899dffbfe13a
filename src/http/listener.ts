/**
 * The socket of a server, and an orderly end of it.
 *
 * `Deno.HttpServer.shutdown()` cuts off request bodies that are still being read, so requests are counted here, and the
 * server is shut down when the last has been answered to its end.
 *
 * In Deno 2.9.6 `Deno.serve` has no time-out for the head of a request or for an idle connection, and no bound on their number.
 * (`node:http` has both: `headersTimeout`, `keepAliveTimeout`, `maxConnections`.) A proxy in front has to see to them.
 */
import { ServiceError } from "../errors.ts";
import type { Front } from "./front.ts";

/** Where to listen. */
export interface ListenOptions {
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** With it, HTTPS. */
  tls?: Certificate;
}

/** What a server proves with who it is, both in PEM (RFC 7468). */
export interface Certificate {
  /** The certificate, and those that lead to its root. */
  cert: string;
  key: string;
}

/** A listener for one front. */
export class Listener {
  readonly #front: Front;
  readonly #abort = new AbortController();
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #inFlight = 0;
  #isStopping = false;
  #onIdle: () => void = () => {};
  readonly #onEnd = () => {
    this.#inFlight--;
    if (this.#inFlight === 0) this.#onIdle();
  };

  constructor(front: Front) {
    this.#front = front;
  }

  /**
   * Begins to listen.
   *
   * @throws {Error} if the address or the port cannot be had
   */
  listen({ host, port, tls }: ListenOptions): { port: number; url: string } {
    try {
      this.#server = Deno.serve({
        hostname: host,
        port,
        signal: this.#abort.signal,
        ...tls,
        onListen() {},
        handler: (request, info) => this.#handle(request, info),
      });
    } catch (error) {
      const reason = error instanceof Deno.errors.AddrInUse ? "the port is taken" : String(error);
      throw new Error(`Cannot listen on ${host} port ${port} (--host, --port): ${reason}`);
    }
    const actual = this.#server.addr.port;
    return {
      port: actual,
      url: `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${actual}`,
    };
  }

  /** Takes no more requests, waits for those in flight, at most `drainTimeoutMs`, then cuts off what is left. */
  async stop(drainTimeoutMs: number): Promise<void> {
    this.#isStopping = true;
    const { promise: idle, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    if (this.#inFlight === 0) resolve();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((done) => {
      timer = setTimeout(done, drainTimeoutMs);
    });
    await Promise.race([idle, late]);
    clearTimeout(timer);
    // The last answer may be there, but not handed over yet.
    await pause(0);
    await this.#shutDown();
  }

  /** Idle connections close at once; what still sends after the time for draining is cut off. */
  async #shutDown(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    let hasFinished = false;
    const finished = server.finished.then(() => {
      hasFinished = true;
    });
    if (this.#inFlight === 0) await Promise.race([server.shutdown(), pause(1000)]);
    if (!hasFinished) this.#abort.abort();
    // A connection whose request was never read to its end can keep even this waiting.
    await Promise.race([finished, pause(1000)]);
  }

  #handle(request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>): Response | Promise<Response> {
    if (this.#isStopping && !request.url.endsWith("/livez")) return stopping();
    this.#inFlight++;
    return this.#front(request, info, this.#onEnd);
  }
}

function stopping(): Response {
  const { code, message } = new ServiceError("unavailable", "The server is stopping.");
  return Response.json({ success: false, error: message, message, code }, {
    status: 503,
    headers: { "Connection": "close", "Retry-After": "5" },
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
