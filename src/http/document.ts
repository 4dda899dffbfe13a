/** What both modes do with one document: send it, read a change of it, hold the change to its precondition. */
import type { Context } from "hono";
import { isJsonObject, type JsonObject } from "../collection/json.ts";
import { ServiceError } from "../errors.ts";
import { evaluateChange, evaluateRead } from "./conditional.ts";
import { readJsonBody } from "./json_body.ts";
import { sendText } from "./send.ts";

/**
 * Answers `GET` of a document: 200 with its entity tag, or 304.
 *
 * @param text the document as JSON
 */
export function sendDocument(context: Context, text: string, etag: string): Response {
  const headers = { ETag: etag };
  if (evaluateRead(context.req.raw.headers, { etag }) === "not_modified") {
    return context.body(null, 304, headers);
  }
  const type = "application/json";
  return sendText(context, `{"success":true,"data":${text}}`, 200, { "Content-Type": type, ...headers });
}

/**
 * The body of a `PUT`: the fields to set.
 *
 * @throws {ServiceError} `invalid_request` if it is not an object, and what `readJsonBody` throws
 */
export async function readChanges(context: Context): Promise<JsonObject> {
  const body = await readJsonBody(context);
  if (isJsonObject(body)) return body;
  throw new ServiceError("invalid_request", "The body must be an object of the fields to set.");
}

/** A check of a change's precondition, to be called with the entity tag of what it would change. */
export function precondition(context: Context): (etag: string) => void {
  return (etag) => evaluateChange(context.req.raw.headers, { etag });
}
