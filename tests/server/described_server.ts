/**
 * Holds every answer of the servers in this process to the description of their API, whoever asks: the tests themselves, the
 * command line, a browser, raw sockets.
 *
 * It stands between a server and its socket. What streams is not read here, lest that change how it streams; `send` in
 * `client.ts` reads such answers to their end.
 */
import { assertDescribed } from "./described.ts";

type Mode = "assets-db" | "registry";

/** The files of the pages, which are no part of the API. */
const PAGE_FILE = /^\/ui(\/.|$)/;

/** Answers that come as they are found. */
const STREAMING = /^\/(assets|asset_registries|assets\/bulk)$/;

const modes = new Map<number, Mode>();
const faults: string[] = [];
const reading = new Set<Promise<void>>();

/** Says what the server on a port is. */
export function knowMode(port: number, mode: Mode): void {
  modes.set(port, mode);
}

/**
 * Waits for what is being read.
 *
 * @throws {Error} if an answer was not as described, since the last call
 */
export async function assertAllDescribed(): Promise<void> {
  await Promise.all(reading);
  const [first] = faults.splice(0);
  if (first !== undefined) throw new Error(first);
}

/** Our own listener gives its handler among the options; the fakes of the tests give it behind them. */
const serve = Deno.serve;

Object.defineProperty(Deno, "serve", {
  value: (options: Deno.ServeTcpOptions & Deno.ServeInit<Deno.NetAddr>, ...rest: []) => {
    if (typeof options.handler !== "function" || rest.length > 0) {
      return Reflect.apply(serve, Deno, [options, ...rest]);
    }
    const server: Deno.HttpServer<Deno.NetAddr> = serve({
      ...options,
      handler: async (request, info) => {
        const response = await options.handler(request, info);
        observe(server.addr.port, request, response);
        return response;
      },
    });
    return server;
  },
});

function observe(port: number, request: Request, response: Response): void {
  const { status, headers } = response;
  // As it was sent: URL would take dots out of it.
  const path = request.url.replace(/^\w+:\/\/[^/]*/, "").split("?", 1)[0] ?? "";
  if (PAGE_FILE.test(path)) return;
  const method = request.headers.get("X-HTTP-Method-Override") ?? request.method;
  const isRead = !(STREAMING.test(path) && status === 200) && request.method !== "HEAD" &&
    /^application\/json\b/.test(headers.get("Content-Type") ?? "") && response.body !== null;
  const judge = (text: string | undefined) => {
    // What is not read is judged by its status and its headers.
    const shown = new Headers(headers);
    if (text === undefined) shown.delete("Content-Type");
    try {
      assertDescribed(modes.get(port), method, path, { status, headers: shown, text: text ?? "" });
    } catch (error) {
      // A target that makes no sense is no path of the API.
      if (status === 400 && String(error).includes("is not described")) return;
      faults.push(`${method} ${path}: ${error instanceof Error ? error.message : error}`);
    }
  };
  if (!isRead) {
    judge(undefined);
    return;
  }
  const read = response.clone().text().then(judge, () => {}).finally(() => reading.delete(read));
  reading.add(read);
}
