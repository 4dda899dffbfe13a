/** Answers whose length is known: they are counted on their way out. */
import { Buffer } from "node:buffer";
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";

/** Answers with JSON. */
export function sendJson(
  context: Context,
  value: unknown,
  status: ContentfulStatusCode = 200,
  headers: Record<string, string> = {},
): Response {
  return sendText(context, JSON.stringify(value), status, { "Content-Type": "application/json", ...headers });
}

/** Answers with a text that is there as a whole. */
export function sendText(
  context: Context,
  text: string,
  status: ContentfulStatusCode,
  headers: Record<string, string>,
): Response {
  context.env.bytesOut = Buffer.byteLength(text);
  return context.body(text, status, headers);
}
