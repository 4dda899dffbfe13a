/** `POST /assets` on a registry. */
import type { Context } from "hono";
import { compileFilter } from "../collection/filter.ts";
import { ServiceError } from "../errors.ts";
import { readJsonBody } from "../http/json_body.ts";
import { readQueryOptions, sendCount, sendDocuments } from "../http/query_answer.ts";
import type { Federation } from "./federation.ts";
import { HOP_HEADER } from "./source_outcome.ts";

/**
 * Answers a federated search: the filter is the body, the rest the query string, as on an Assets DB. What is wrong with them
 * is said here, before anything is sent.
 */
export async function answerFederated(context: Context, federation: Federation): Promise<Response> {
  if (context.req.header(HOP_HEADER) !== undefined) {
    // Registries that ask each other would go round in circles.
    throw new ServiceError("forbidden", "A registry does not answer the search of another registry.", {
      headers: { [HOP_HEADER]: "refused" },
    });
  }
  const options = readQueryOptions(context, { includes: ["id"] });
  const filter = compileFilter(await readJsonBody(context));
  const search = await federation.search({ filter, options, signal: context.req.raw.signal });
  if (options.isCountOnly) return sendCount(context, await search.count(), search.trailer());
  const stream = {
    documents: search.documents,
    nextCursor: () => search.nextCursor(),
    trailer: () => search.trailer(),
  };
  return await sendDocuments(context, stream, options);
}
