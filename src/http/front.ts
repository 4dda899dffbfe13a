/** Between the socket and the application: every request gets its exchange, which is measured and logged once it is over. */
import { type App, withHarmlessMethod } from "./app.ts";
import { enter, leave } from "./edge.ts";
import { errorAnswer } from "./envelope.ts";
import { type Edge, Exchange } from "./exchange.ts";

/** Who is told of requests. */
export interface Observer {
  begin(exchange: Exchange): void;
  /** @param isComplete whether the answer was sent to its end */
  end(exchange: Exchange, end: { durationMs: number; isComplete: boolean }): void;
}

/**
 * The handler of every request.
 *
 * @param onEnd called when the answer is there as a whole, was sent to its end, or broke off
 */
export type Front = (
  request: Request,
  info: Deno.ServeHandlerInfo<Deno.NetAddr>,
  onEnd?: () => void,
) => Response | Promise<Response>;

/** Makes the handler of every request. What can be answered at once is: every promise on the way is work for nothing. */
export function createFront(app: App, edge: Edge, observer: Observer): Front {
  return (request, info, onEnd) => {
    const harmless = withHarmlessMethod(request);
    const exchange = new Exchange(edge, harmless, info.remoteAddr.hostname);
    observer.begin(exchange);
    const send = (answer: Response) => {
      const response = leave(exchange, answer);
      // Deno takes such an answer for sent as soon as it has it (2.9.6), so there is nothing to wait for.
      if (exchange.isWhole) end(true);
      else info.completed.then(() => end(true), () => end(false));
      return response;
    };
    const fail = (error: unknown) => send(errorAnswer(exchange, error));
    const end = (isSent: boolean) => {
      // Deno 2.9.6 takes some streams that were cancelled for sent, and does not always say that the client is gone.
      const isComplete = isSent && !exchange.signal?.aborted;
      if (exchange.method === "HEAD" || !isComplete) exchange.bytesOut = 0;
      observer.end(exchange, { durationMs: performance.now() - exchange.startedAt, isComplete });
      onEnd?.();
    };
    let answer: Response | Promise<Response>;
    try {
      answer = enter(exchange, harmless) ?? app.fetch(harmless, exchange);
    } catch (error) {
      return fail(error);
    }
    return answer instanceof Promise ? answer.then(send, fail) : send(answer);
  };
}
