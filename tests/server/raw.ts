/** Requests as bytes, where `fetch` would tidy them up first. */
import { assert } from "@std/assert";
import { concat } from "./multipart.ts";

/** An answer as it came. */
export interface RawAnswer {
  status: number;
  /** Names in lower case. */
  headers: Map<string, string>;
  /** Without chunked framing. */
  text: string;
}

/** A connection to a server. */
export async function connect(server: { url: string }): Promise<Deno.TcpConn> {
  const { hostname, port } = new URL(server.url);
  return await Deno.connect({ hostname, port: Number(port) });
}

/** Writes all of it. */
export async function writeAll(connection: Deno.Conn, bytes: Uint8Array | string): Promise<void> {
  let rest = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
}

/** Sends one request with this target as it is, and reads until the server closes. */
export async function rawRequest(
  server: { url: string },
  method: string,
  target: string,
  options: { host?: string; headers?: string[]; body?: string } = {},
): Promise<RawAnswer> {
  using connection = await connect(server);
  const { host = new URL(server.url).host, headers = [], body = "" } = options;
  const length = new TextEncoder().encode(body).length;
  const lines = [`${method} ${target} HTTP/1.1`, `Host: ${host}`, "Connection: close", ...headers];
  if (length > 0) lines.push(`Content-Length: ${length}`);
  await writeAll(connection, `${lines.join("\r\n")}\r\n\r\n${body}`);
  return await readAnswer(connection);
}

/** An answer that takes longer does not come. */
const ANSWER_TIMEOUT_MS = 20_000;

/** Reads an answer until it is complete, or the server closes. */
export async function readAnswer(connection: Deno.Conn): Promise<RawAnswer> {
  let whole = new Uint8Array();
  let answer = parseAnswer(whole);
  const buffer = new Uint8Array(64 * 1024);
  const timer = setTimeout(() => connection.close(), ANSWER_TIMEOUT_MS);
  try {
    while (!answer.isComplete) {
      const count = await connection.read(buffer);
      if (count === null) break;
      whole = concat([whole, buffer.subarray(0, count)]);
      answer = parseAnswer(whole);
    }
  } finally {
    clearTimeout(timer);
  }
  const { status, headers, text } = answer;
  assert(status > 0, `no answer but ${JSON.stringify(text.slice(0, 200))}`);
  return { status, headers, text };
}

function parseAnswer(whole: Uint8Array): RawAnswer & { isComplete: boolean } {
  // Latin-1, so that a character is a byte.
  const latin1 = Array.from(whole, (byte) => String.fromCharCode(byte)).join("");
  const end = latin1.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = latin1.slice(0, Math.max(end, 0)).split("\r\n");
  const headers = new Map(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
  const framed = latin1.slice(end + 4);
  const isChunked = headers.get("transfer-encoding") === "chunked";
  const { body, isLast } = isChunked ? unchunked(framed) : { body: framed, isLast: false };
  const text = new TextDecoder().decode(Uint8Array.from(body, (character) => character.charCodeAt(0)));
  const length = Number(headers.get("content-length") ?? Infinity);
  const isComplete = end !== -1 && (isLast || body.length >= length);
  return { status: Number(statusLine.split(" ")[1] ?? 0), headers, text, isComplete };
}

/** The bytes of the chunks (RFC 9112 §7.1), and whether the last one is there. */
function unchunked(framed: string): { body: string; isLast: boolean } {
  let body = "";
  for (let rest = framed;;) {
    const [line = "", digits] = /^([0-9a-f]+)[^\r\n]*\r\n/i.exec(rest) ?? [];
    if (digits === undefined) return { body, isLast: false };
    const length = parseInt(digits, 16);
    if (length === 0) return { body, isLast: true };
    body += rest.slice(line.length, line.length + length);
    rest = rest.slice(line.length + length + 2);
  }
}
