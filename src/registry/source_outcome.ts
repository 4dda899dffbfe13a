/** How a source of a search did, and the sentences for what can be wrong with one. */
import { isJsonObject } from "../collection/json.ts";
import { ServiceError } from "../errors.ts";
import { type GuardedResponse, readText } from "./guarded_client.ts";

/** The header of a request that a registry sends on behalf of another; a registry that gets it does not answer. */
export const HOP_HEADER = "X-Assets-Federation-Hop";

/** How a source did. */
export interface SourceOutcome {
  status: "ok" | "error" | "timeout" | "skipped";
  error?: string;
}

/** The most bytes that are read of an error. */
const MAX_ERROR_BYTES = 64 * 1024;

/** A source that does not do as an Assets DB does. */
export class SourceError extends Error {
  readonly status: SourceOutcome["status"];

  constructor(message: string, status: SourceOutcome["status"] = "error") {
    super(message);
    this.status = status;
  }
}

/** Why a source did not answer with documents. */
export async function refusal(response: GuardedResponse): Promise<SourceError> {
  const { status } = response;
  if (response.header(HOP_HEADER.toLowerCase()) !== undefined) {
    response.close();
    return new SourceError("It is a registry, not an Assets DB.", "skipped");
  }
  const text = await readText(response, MAX_ERROR_BYTES).catch(() => "");
  return new SourceError(`It answered ${status}${sentenceIn(text)}.`);
}

/** What an error envelope says, if it is one. */
function sentenceIn(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    if (!isJsonObject(body) || typeof body.error !== "string") return "";
    return `: ${body.error.slice(0, 300).replace(/\.$/, "")}`;
  } catch {
    return "";
  }
}

/** How a source did that failed like this. */
export function outcomeOf(error: unknown, timeoutMs: number, isLate: boolean): SourceOutcome {
  if (isLate) return { status: "timeout", error: `It did not answer within ${timeoutMs / 1000} s.` };
  if (error instanceof SourceError) return { status: error.status, error: error.message };
  if (error instanceof ServiceError) return { status: "error", error: error.message };
  return {
    status: "error",
    error: `It could not be reached: ${error instanceof Error ? error.message : error}.`,
  };
}
