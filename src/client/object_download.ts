/** Opens the file of an asset, wherever the server says it is. */
import { ClientError } from "./client_error.ts";
import type { Connection } from "./connection.ts";

/** Which part of a file is wanted. */
export interface OpenOptions {
  /** The first byte, counted from 0. */
  start?: number;
  /** The `ETag` of what is there already: if the file has another by now, it comes whole (RFC 9110 §13.1.5). */
  ifRange?: string;
  signal?: AbortSignal;
}

/** A file on its way. */
export interface OpenedObject {
  body: ReadableStream<Uint8Array>;
  /** The first byte of `body`: the one asked for, or 0 if the file comes whole. */
  start: number;
  /** The size of the whole file in bytes, if it was said. */
  sizeBytes?: number;
  /** Undefined if there is none, or only a weak one, which says nothing of bytes. */
  etag?: string;
}

/** As many as browsers follow (Fetch standard, "HTTP-redirect fetch"). */
const MAX_REDIRECTS = 20;

/**
 * Opens it; see `AssetsClient.object`.
 *
 * @param first where to begin
 */
export async function openObject(
  connection: Connection,
  first: string,
  { start = 0, ifRange, signal }: OpenOptions,
): Promise<OpenedObject> {
  const headers: Record<string, string> = {};
  // Bytes that a proxy or a bucket has packed could not be counted.
  headers["Accept-Encoding"] = "identity";
  if (start > 0) {
    headers.Range = `bytes=${start}-`;
    if (ifRange !== undefined) headers["If-Range"] = ifRange;
  }
  const response = await followed(connection, first, { headers, signal });
  if (!response.body) throw badRange("The server sent no file.");
  const body = namedFailures(response.body, (read) => connection.read(read, signal));
  return { body, ...describe(response, start) };
}

/** The stream, whose failures are made typed by `guarded`. */
function namedFailures(
  stream: ReadableStream<Uint8Array>,
  guarded: <T>(read: () => Promise<T>) => Promise<T>,
): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await guarded(() => reader.read());
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** Follows redirects by hand: `fetch` would hide which request still carries the token. */
async function followed(
  connection: Connection,
  first: string,
  input: { headers: Record<string, string>; signal?: AbortSignal },
): Promise<Response> {
  const home = new URL(connection.server).origin;
  let url = first;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const request = { ...input, accept: [301, 302, 303, 307, 308] };
    const isHome = url.startsWith(`${connection.server}/`) && new URL(url).origin === home;
    const response = isHome
      ? await connection.send(url.slice(connection.server.length), request)
      : await connection.sendTo(url, request);
    if (response.ok) return response;
    await response.body?.cancel();
    url = targetOf(response, url);
  }
  throw new ClientError(`The file's redirects lead nowhere: more than ${MAX_REDIRECTS} of them.`, {
    status: 307,
    code: "redirected",
  });
}

function targetOf({ headers, status }: Response, base: string): string {
  const location = headers.get("Location");
  const target = location !== null && URL.canParse(location, base) ? new URL(location, base) : undefined;
  if (target && /^https?:$/.test(target.protocol)) return target.href;
  const message = `The file is at ${location ?? "no known place"}, which is no http(s) URL.`;
  throw new ClientError(message, { status, code: "redirected" });
}

function describe({ status, headers }: Response, start: number): Omit<OpenedObject, "body"> {
  const etag = headers.get("ETag") ?? "";
  const strong = etag.startsWith('"') ? etag : undefined;
  if (status !== 206) {
    const length = headers.get("Content-Encoding") === null ? headers.get("Content-Length") : null;
    return { start: 0, sizeBytes: length === null ? undefined : Number(length), etag: strong };
  }
  const [, first, size] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("Content-Range") ?? "") ?? [];
  if (Number(first) !== start) throw badRange("The server sent another part of the file than was asked for.");
  return { start, sizeBytes: size === "*" ? undefined : Number(size), etag: strong };
}

function badRange(message: string): ClientError {
  return new ClientError(message, { status: 206, code: "bad_answer" });
}
