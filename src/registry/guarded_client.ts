/**
 * The one HTTP client of a registry, for URLs that others have written.
 *
 * It connects to addresses that `target.ts` has checked and to no others, also when DNS answers differently a moment later;
 * it follows no redirects, sends no credentials but those it is given for this one request, and does not decompress. It is
 * made of `node:http`, because `fetch` offers no way to say which address a name stands for.
 */
import {
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
  type RequestOptions,
} from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { type Address, checkTarget, type Resolve, type TargetRules } from "./target.ts";

/** How a client reaches others. */
export interface GuardedClientOptions extends TargetRules {
  /** Finds the addresses of a name; the system's way by default. */
  resolve?: Resolve;
  /** The certificates of the authorities to trust, in PEM, instead of Mozilla's and those in NODE_EXTRA_CA_CERTS. */
  ca?: string;
}

/** One request. */
export interface GuardedRequest {
  method?: "GET" | "POST";
  headers?: Record<string, string>;
  body?: string;
  /** Ends the request, and the reading of its answer. */
  signal: AbortSignal;
}

/** An answer whose body is still to be read, or to be closed. */
export interface GuardedResponse {
  status: number;
  /** Lower-case names. */
  header(name: string): string | undefined;
  /** Read with back-pressure: what is not asked for stays with the sender. */
  body: AsyncIterable<Uint8Array>;
  /** Ends the connection. Needed unless the body was read to its end. */
  close(): void;
}

/** The most bytes of headers in an answer: a cursor has some KiB, and proxies on the way add their own. */
const MAX_HEADER_BYTES = 32 * 1024;

/**
 * A connection that is kept could be used for another name later. One through a proxy (NODE_USE_ENV_PROXY and HTTP_PROXY in the
 * environment) would lead to whatever address the proxy finds for the name.
 */
const DIRECT = { keepAlive: false, proxyEnv: {} };

/** Fetches from URLs that others have written. */
export class GuardedClient {
  readonly #options: GuardedClientOptions;

  constructor(options: GuardedClientOptions) {
    this.#options = options;
  }

  /**
   * Sends a request.
   *
   * @throws {ServiceError} `unhealthy` if the URL may not be asked
   * @throws {Error} what is in the way: no such name, no connection, a broken answer; the reason of the signal once that fired
   */
  async send(url: URL, request: GuardedRequest): Promise<GuardedResponse> {
    const { signal } = request;
    signal.throwIfAborted();
    const addresses = await abortable(checkTarget(url, this.#options, this.#options.resolve), signal);
    const response = await abortable(this.#connect(url, addresses, request), signal);
    return {
      status: response.statusCode ?? 0,
      header: (name) => {
        const value = response.headers[name];
        return Array.isArray(value) ? value.join(", ") : value;
      },
      body: bodyOf(response, signal),
      close: () => void response.destroy(),
    };
  }

  #connect(
    url: URL,
    addresses: Address[],
    { method = "GET", headers = {}, body, signal }: GuardedRequest,
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const options: RequestOptions = {
      method,
      headers: { "Accept-Encoding": "identity", ...headers, ...lengthOf(body) },
      signal,
      maxHeaderSize: MAX_HEADER_BYTES,
      // Called for names only, and by whichever module connects: what was checked is what is connected to.
      lookup: (_host, { all }, callback) => {
        const [first] = addresses;
        if (all) callback(null, addresses);
        else callback(null, first?.address ?? "", first?.family);
      },
    };
    const { ca } = this.#options;
    const outgoing = url.protocol === "https:"
      ? requestHttps(url, { ...options, agent: new HttpsAgent(DIRECT), ...ca !== undefined && { ca } })
      : requestHttp(url, { ...options, agent: new HttpAgent(DIRECT) });
    outgoing.on("response", (response) => {
      // Whoever reads it learns of its errors; while nobody does, they must not end the process.
      response.on("error", () => {});
      resolve(response);
    });
    outgoing.on("error", (error) => reject(signal.aborted ? signal.reason : error));
    // Whatever else it is, such as a change of protocol, is no answer, and node says no more of it than this.
    outgoing.on("close", () => reject(new Error("the connection was closed without an answer")));
    outgoing.end(body);
    return promise;
  }
}

function lengthOf(body: string | undefined): Record<string, string> {
  return body === undefined ? {} : { "Content-Length": String(new TextEncoder().encode(body).length) };
}

async function* bodyOf(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response) yield chunk;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
  if (!response.complete) throw new Error("the answer broke off");
}

/**
 * The text of an answer, read to its end.
 *
 * @throws {RangeError} if it has more than `maxBytes` bytes
 */
export async function readText(response: GuardedResponse, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let sizeBytes = 0;
  try {
    for await (const chunk of response.body) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) throw new RangeError(`it answered with more than ${maxBytes} bytes`);
      text += decoder.decode(chunk, { stream: true });
    }
  } finally {
    response.close();
  }
  return text + decoder.decode();
}

/** A promise that cannot be stopped, but need not be waited for either. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
