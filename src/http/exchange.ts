/** One request and its answer, as everything around the routes sees them. */
import { peerAddress, type TrustedProxies } from "./client_address.ts";
import type { AllowedOrigins } from "./cors.ts";
import type { RateLimiter } from "./rate_limit.ts";

/** What a server demands of every request, whatever its route. */
export interface Edge {
  origins: AllowedOrigins;
  limiter?: RateLimiter;
  proxies?: TrustedProxies;
  /** A client that sends nothing of a body, or takes nothing of an answer, for so long is given up. */
  idleTimeoutMs: number;
  /** The host and the port under which clients reach the server. */
  publicHost: () => string;
}

/** The route of a request that no route takes. */
export const NO_ROUTE = "(none)";

/** Takes note of bytes that a request brings. */
export function countIn({ env }: { env: Exchange }): (count: number) => void {
  return (count) => {
    env.bytesIn += count;
  };
}

/** It is the environment of a request's context (`context.env`), filled in on the way. */
export class Exchange {
  readonly edge: Edge;
  readonly startedAt = performance.now();
  readonly method: string;
  /** The address of the client, without a port. */
  readonly client: string;
  /** What `Origin` says, if pages of other origins may ask at all. */
  origin: string | null = null;
  /** Whether its answer was made as a whole, with the headers that every answer has. */
  isWhole = false;
  /** What `X-Request-Id` says. */
  id = "-";
  /** The pattern of the route, such as `/asset/:uri`. */
  route = NO_ROUTE;
  /** The name of the token that let it through. */
  tokenName: string | undefined;
  status = 0;
  /** Aborted when the client goes away; set by routes whose answers take long. */
  signal: AbortSignal | undefined;
  /** Of bodies alone; headers do not count. */
  bytesIn = 0;
  bytesOut = 0;

  /** @param peer who opened the connection */
  constructor(edge: Edge, request: Request, peer: string) {
    this.edge = edge;
    this.method = request.method;
    const address = peerAddress(peer);
    this.client = edge.proxies?.clientOf(address, request.headers.get("X-Forwarded-For")) ?? address;
  }
}
