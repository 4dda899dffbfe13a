/** Between the socket and the application: every request gets its exchange, which is measured and logged once it is over. */
import { type App, withHarmlessMethod } from "./app.ts";
import { enter, leave } from "./edge.ts";
import { type Edge, Exchange } from "./exchange.ts";

/** Who is told of requests. */
export interface Observer {
  begin(exchange: Exchange): void;
  /** @param isComplete whether the answer was sent to its end */
  end(exchange: Exchange, end: { durationMs: number; isComplete: boolean }): void;
}

/** The handler of every request. */
export function createFront(app: App, edge: Edge, observer: Observer): Deno.ServeHandler<Deno.NetAddr> {
  return async (request, { remoteAddr, completed }) => {
    const harmless = withHarmlessMethod(request);
    const exchange = new Exchange(edge, harmless, remoteAddr.hostname);
    observer.begin(exchange);
    completed.then(() => end(exchange, true), () => end(exchange, false));
    const answer = enter(exchange, harmless) ?? await app.fetch(harmless, exchange);
    return leave(exchange, answer);
  };

  function end(exchange: Exchange, isSent: boolean): void {
    // Deno 2.9.6 takes some streams that were cancelled for sent, and does not always say that the client is gone.
    const isComplete = isSent && !exchange.signal?.aborted;
    if (exchange.method === "HEAD" || !isComplete) exchange.bytesOut = 0;
    observer.end(exchange, { durationMs: performance.now() - exchange.startedAt, isComplete });
  }
}
