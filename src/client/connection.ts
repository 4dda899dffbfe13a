/** Requests to one server: its address, the token, the time it may take, and its errors made typed. */
import { asJsonObject, type Json, type JsonObject } from "../collection/json.ts";
import { ClientError, errorOfAnswer } from "./client_error.ts";

/** How a server is reached. */
export interface ConnectionOptions {
  /** The server's http(s) URL; a path in it stays in front of every route. */
  server: string;
  /** The bearer token, where the server wants one. Sent to this server alone. */
  token?: string;
  /** Ends every request. */
  signal?: AbortSignal;
  /** How long a server may take to begin its answer. Default: 60 s. */
  timeoutMs?: number;
}

/** One request. */
export interface RequestInput {
  method?: string;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is. */
  body?: BodyInit;
  headers?: Record<string, string>;
  /** Parameters of the query string; those that are `undefined` are left out. */
  query?: Record<string, string | number | undefined>;
  /** Ends this request. */
  signal?: AbortSignal;
  /** How long until the answer begins; 0 for ever. */
  timeoutMs?: number;
  /** Statuses beside 2xx that are no error. */
  accept?: readonly number[];
}

const DEFAULT_TIMEOUT_MS = 60_000;

/** A way to one server. */
export class Connection {
  /** The server's URL, without a slash at the end. */
  readonly server: string;
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    this.server = options.server.replace(/\/+$/, "");
    this.#options = options;
  }

  /** The URL of a route, which begins with a slash. */
  url(path: string, query: RequestInput["query"] = {}): string {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) search.set(name, String(value));
    }
    return this.server + path + (search.size === 0 ? "" : `?${search}`);
  }

  /**
   * Sends a request, and resolves when the answer begins.
   *
   * @throws {ClientError} when no answer comes, and for every status but 2xx and those accepted
   * @throws the signal's reason, when it ends the request
   */
  async send(path: string, input: RequestInput = {}): Promise<Response> {
    const { token } = this.#options;
    const headers: Record<string, string> = { ...input.headers };
    if (token !== undefined) headers.Authorization = `Bearer ${token}`;
    return await this.sendTo(this.url(path, input.query), { ...input, headers });
  }

  /** As `send`, to any URL: without the token. */
  async sendTo(url: string, input: RequestInput = {}): Promise<Response> {
    const response = await this.#fetch(url, input);
    if (response.ok || input.accept?.includes(response.status)) return response;
    const location = response.headers.get("Location");
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      throw new ClientError(`${this.server} sends us to ${location}.`, {
        status: response.status,
        code: "redirected",
      });
    }
    throw await errorOfAnswer(response);
  }

  /**
   * Sends a request, and reads the JSON object that answers it.
   *
   * @throws {ClientError} as `send` does, and `bad_answer` for anything else than a JSON object
   */
  async json(path: string, input: RequestInput = {}): Promise<{ body: JsonObject; headers: Headers }> {
    const response = await this.send(path, input);
    const text = await this.read(() => response.text(), input.signal);
    return { body: this.parse(text, response), headers: response.headers };
  }

  /** `text` as the JSON object that a server answers with. */
  parse(text: string, { status, headers }: Response): JsonObject {
    try {
      const json: Json = JSON.parse(text);
      if (typeof json === "object" && json !== null && !Array.isArray(json)) return json;
    } catch {
      // It says so below.
    }
    throw new ClientError(`${this.server} answered with something else than an assets-server does.`, {
      status,
      code: "bad_answer",
      requestId: headers.get("X-Request-Id") ?? undefined,
    });
  }

  /** Reads a part of an answer; a connection that breaks meanwhile is a `ClientError`. */
  async read<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#failure(error, signal);
    }
  }

  async #fetch(url: string, input: RequestInput): Promise<Response> {
    const { json, timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS } = input;
    const headers = json === undefined
      ? input.headers
      : { "Content-Type": "application/json", ...input.headers };
    const timeout = new AbortController();
    const timer = timeoutMs === 0 ? undefined : setTimeout(() => timeout.abort(), timeoutMs);
    const signals = [timeout.signal, input.signal, this.#options.signal];
    try {
      return await fetch(url, {
        method: input.method ?? "GET",
        headers,
        body: json === undefined ? input.body : JSON.stringify(json),
        redirect: "manual",
        signal: AbortSignal.any(signals.filter((signal) => signal !== undefined)),
      });
    } catch (error) {
      if (timeout.signal.aborted) {
        const message = `${this.#placeOf(url)} did not answer within ${timeoutMs / 1000} s.`;
        throw new ClientError(message, { status: 0, code: "no_answer", cause: error });
      }
      throw this.#failure(error, input.signal, this.#placeOf(url));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Who was asked: the server, or whoever has a file that it names. */
  #placeOf(url: string): string {
    const { origin } = new URL(url);
    return origin === new URL(this.server).origin ? this.server : `The file is at ${origin}, which`;
  }

  #failure(error: unknown, signal: AbortSignal | undefined, place: string = this.server): unknown {
    if (error instanceof ClientError) return error;
    for (const ended of [signal, this.#options.signal]) if (ended?.aborted) return ended.reason;
    return new ClientError(`${place} does not answer: ${reasonOf(error)}.`, {
      status: 0,
      code: "unreachable",
      cause: error,
    });
  }
}

/** The `data` of a success envelope, as an object. */
export function dataOf(body: JsonObject): JsonObject {
  return asJsonObject(body.data);
}

/** What the runtime tells of a broken connection, in the few words that mean something to people. */
function reasonOf(error: unknown): string {
  const text = messagesOf(error).join(": ");
  const known =
    /connection refused|dns error|failed to lookup|certificate|reset by peer|timed out|no route to host|unreachable/i
      .exec(text)?.[0].toLowerCase();
  if (known === "dns error" || known === "failed to lookup") return "its name is not known";
  if (known === "reset by peer") return "the connection was reset";
  if (known === "certificate") return `its certificate is not accepted (${text.split(": ").at(-1)})`;
  return known ?? text.split("\n", 1)[0]?.replace(/\.$/, "") ?? "the connection broke";
}

/** The messages of an error and of its causes. */
function messagesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return error === undefined ? [] : [String(error)];
  return [error.message, ...messagesOf(error.cause)];
}
