/** What stands behind the `?` of a request. */
import type { Context } from "hono";
import type { ZodType } from "zod";
import { ServiceError } from "../errors.ts";
import { validate } from "../validation.ts";

/**
 * Reads the query string of a request. A name that is there twice is refused: which of the two was meant cannot be told.
 *
 * @throws {ServiceError} `invalid_request`, with every offending name in `details`
 */
export function readQueryString<T>(context: Context, schema: ZodType<T>): T {
  const { searchParams } = new URL(context.req.url);
  const given = Object.fromEntries(searchParams);
  for (const path of Object.keys(given)) {
    if (searchParams.getAll(path).length < 2) continue;
    const message = "can be given only once";
    throw new ServiceError("invalid_request", `${path} ${message}.`, { details: [{ path, message }] });
  }
  return validate(schema, given);
}
