/** Requests as bytes on a socket of their own, and what came back within a bounded time. */
import { concat } from "../server/multipart.ts";

/** A request before it is put on the wire. */
export interface WireRequest {
  method: string;
  /** As it stands in the request line, each character a byte. */
  target: string;
  /** Names and values, in order; each character is a byte. */
  headers: [name: string, value: string][];
  body: Uint8Array;
  /** How the body comes: with its length, in HTTP chunks, or cut off in its middle. */
  framing: "length" | "chunks" | "cut";
}

/** What the server did. */
export interface Outcome {
  /** 0 if it closed the connection without an answer. */
  status: number;
  headers: Headers;
  text: string;
  ms: number;
}

/**
 * Nothing may take longer: it hangs. So much a server allows itself that has all of a request: a thread for long queries may take
 * 60 s to start on a busy machine (`START_MS` in `query_thread.ts`), and the query works for 30 s then (`--query-timeout`).
 */
export const MOST_MS = 100_000;

/** What takes longer is told of, with all that is known, while it is still waited for. */
const SLOW_MS = 15_000;

/** One that goes away in the middle of its request does so after this long. */
const GOING_MS = 20;

const CHUNK_BYTES = 1000;

/**
 * Sends a request, and reads until the server closes the connection. Throws if that takes too long.
 *
 * @param onSlow told once when it takes long
 */
export async function exchange(url: string, request: WireRequest, onSlow = () => {}): Promise<Outcome> {
  const timer = setTimeout(onSlow, SLOW_MS);
  try {
    return await exchangeBytes(url, bytesOf(url, request), { closes: request.framing === "cut" });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Sends bytes, and reads what comes back.
 *
 * @param options.closes the client goes away after the last byte, so that there may be no answer
 */
export async function exchangeBytes(
  url: string,
  bytes: Uint8Array,
  { closes = false, mostMs = MOST_MS }: { closes?: boolean; mostMs?: number } = {},
): Promise<Outcome> {
  const startedAt = performance.now();
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    close(connection);
  }, closes ? GOING_MS : mostMs);
  try {
    const writing = writeAll(connection, bytes);
    const received = await readAll(connection);
    await writing;
    if (isOver && !closes) throw new Error(`no end within ${mostMs} ms`);
    // Who goes away may have got half an answer, which is none.
    return { ...parse(isOver ? new Uint8Array() : received), ms: performance.now() - startedAt };
  } finally {
    clearTimeout(timer);
    close(connection);
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** The bytes of a request that asks for the connection to be closed. */
export function bytesOf(url: string, request: WireRequest): Uint8Array {
  const { method, target, headers, body, framing } = request;
  const lines = [`${method} ${target} HTTP/1.1`, `Host: ${new URL(url).host}`, "Connection: close"];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  if (framing === "chunks") lines.push("Transfer-Encoding: chunked");
  else if (body.length > 0 || method === "POST") lines.push(`Content-Length: ${body.length}`);
  const head = latin1(`${lines.join("\r\n")}\r\n\r\n`);
  if (framing === "cut") return concat([head, body.subarray(0, Math.floor(body.length / 2))]);
  return framing === "chunks" ? concat([head, ...chunked(body)]) : concat([head, body]);
}

/** Each character as a byte. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function* chunked(body: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < body.length; start += CHUNK_BYTES) {
    const chunk = body.subarray(start, start + CHUNK_BYTES);
    yield latin1(`${chunk.length.toString(16)}\r\n`);
    yield chunk;
    yield latin1("\r\n");
  }
  yield latin1("0\r\n\r\n");
}

/** What the server no longer takes is not written. */
async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  try {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
  } catch {
    // The answer, if there is one, says why.
  }
}

async function readAll(connection: Deno.TcpConn): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  try {
    for (;;) {
      const buffer = new Uint8Array(16 * 1024);
      const count = await connection.read(buffer);
      if (count === null) break;
      pieces.push(buffer.subarray(0, count));
    }
  } catch {
    // A connection that is reset has ended.
  }
  return concat(pieces);
}

function parse(whole: Uint8Array): Omit<Outcome, "ms"> {
  // The interim answer to Expect: 100-continue (RFC 9110 §15.2.1).
  const interim = /^HTTP\/1\.1 100[^\r]*\r\n\r\n/.exec(
    new TextDecoder("latin1").decode(whole.subarray(0, 100)),
  );
  const received = whole.subarray(interim?.[0].length ?? 0);
  const text = new TextDecoder("latin1").decode(received);
  const end = text.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = text.slice(0, Math.max(0, end)).split("\r\n");
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const body = received.subarray(end === -1 ? received.length : end + 4);
  const isChunked = headers.get("Transfer-Encoding") === "chunked";
  return {
    status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1] ?? 0),
    headers,
    text: new TextDecoder().decode(isChunked ? joined(body) : body),
  };
}

/** The content of a chunked body (RFC 9112 §7.1), as far as it came. */
function joined(body: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let at = 0;;) {
    const lineEnd = body.indexOf(10, at);
    const size = parseInt(new TextDecoder().decode(body.subarray(at, lineEnd)), 16);
    if (lineEnd === -1 || !(size > 0)) return concat(pieces);
    pieces.push(body.subarray(lineEnd + 1, lineEnd + 1 + size));
    at = lineEnd + size + 3;
  }
}
