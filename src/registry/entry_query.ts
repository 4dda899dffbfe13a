/** `POST /asset_registries`: a query over the entries, if asked with their health. */
import type { Context } from "hono";
import { compileFilter } from "../collection/filter.ts";
import type { JsonObject } from "../collection/json.ts";
import type { Match, QueryResult } from "../collection/query.ts";
import { readJsonBody } from "../http/json_body.ts";
import { readQueryOptions, sendCount, sendDocuments } from "../http/query_answer.ts";
import { type Health, healthOf } from "./health_records.ts";
import type { RegistryService } from "./service.ts";

/**
 * Answers `POST /asset_registries`: the filter is the body, the rest the query string.
 *
 * @param timeoutMs how long the search may work
 */
export async function answerEntries(
  context: Context,
  service: RegistryService,
  timeoutMs: number,
): Promise<Response> {
  const options = readQueryOptions(context, { includes: ["id", "health"], hasHealth: true });
  const { limit, sort, cursor, pick, include, health } = options;
  const filter = compileFilter(await readJsonBody(context));
  const signal = context.req.raw.signal;
  // A count is of all that match, wherever the page begins.
  const begin = options.isCountOnly ? undefined : cursor;
  const request = { filter, sort, cursor: begin, timeoutMs, signal };
  const needsHealth = include.has("health") || health !== undefined;
  const recorded = needsHealth ? await service.records.all() : undefined;
  const healthOfMatch = ({ id, document }: Match): Health =>
    healthOf(String(document.asset_registry_public_url), recorded?.get(id));
  const result = health === undefined
    ? service.entries.query({ ...request, limit })
    : only(service.entries.query(request), limit, (match) => healthOfMatch(match).status === health);
  const explain = (): JsonObject => options.explains ? { explain: { ...result.explain() } } : {};
  if (options.isCountOnly) {
    const count = await result.count();
    return sendCount(context, count, explain());
  }
  async function* documents() {
    for await (const match of result.matches) {
      yield JSON.stringify({
        ...include.has("id") && { id: match.id },
        ...pick ? pick(match.document) : match.document,
        ...include.has("health") && { health: healthOfMatch(match) },
      });
    }
  }
  const stream = { documents: documents(), nextCursor: () => result.nextCursor(), explain };
  return await sendDocuments(context, stream, options);
}

/** Those matches of an answer without a limit that are to be kept, at most `limit`. */
function only(
  result: QueryResult,
  limit: number | undefined,
  isKept: (match: Match) => boolean,
): QueryResult {
  let cursor: string | null = null;
  async function* matches(): AsyncGenerator<Match> {
    let given = 0;
    for await (const match of result.matches) {
      if (!isKept(match)) continue;
      // One more than the page holds: the cursor behind the last one leads on.
      if (given === limit) return;
      given++;
      cursor = result.nextCursor();
      yield match;
    }
    cursor = null;
  }
  async function count(): Promise<number> {
    let count = 0;
    for await (const match of result.matches) if (isKept(match)) count++;
    return count;
  }
  return { matches: matches(), nextCursor: () => cursor, count, explain: () => result.explain() };
}
