/**
 * Creates an asset for each line of NDJSON: many in one request, or one by one where the server knows no better.
 *
 * The lines go out in batches, one after the other: so the order of the file is the order of creation, a request is never too
 * long for a proxy, and no more than a batch is in memory.
 */
import type { AssetsClient, BulkResult } from "../../client/assets_client.ts";
import { ClientError } from "../../client/client_error.ts";
import { linesOf } from "../../client/ndjson.ts";
import { isJsonObject } from "../../collection/json.ts";

/** What became of a line of the file. */
export type ImportedLine = BulkResult;

const BATCH_LINES = 1000;
const BATCH_CHARACTERS = 4 * 1024 * 1024;

/** Requests at the same time to a server that takes one asset each. */
const PARALLEL_CREATIONS = 8;

/** A line and its number in the file. */
interface NumberedLine {
  number: number;
  text: string;
}

/**
 * Imports the lines; says of each what became of it, in their order. Empty lines are skipped.
 *
 * @throws {ClientError} when the server is away or lets nobody in; what was said until then is done
 */
export async function* importLines(
  client: AssetsClient,
  input: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<ImportedLine, void, undefined> {
  const takesMany = await hasBulkRoute(client, signal);
  for await (const batch of batchesOf(input)) {
    signal.throwIfAborted();
    if (takesMany) yield* createMany(client, batch, signal);
    else yield* createEach(client, batch, signal);
  }
}

/** An empty request makes nothing, and shows whether the route is there. */
async function hasBulkRoute(client: AssetsClient, signal: AbortSignal): Promise<boolean> {
  try {
    for await (const _ of client.createAssets("", { signal }));
    return true;
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    if (error.code === "route_not_found" || error.code === "method_not_allowed") return false;
    if (error.status === 400) return true;
    throw error;
  }
}

async function* batchesOf(
  input: ReadableStream<Uint8Array>,
): AsyncGenerator<NumberedLine[], void, undefined> {
  let batch: NumberedLine[] = [];
  let characters = 0;
  let number = 0;
  for await (const text of linesOf(input)) {
    number++;
    if (text.trim() === "") continue;
    if (batch.length === BATCH_LINES || characters + text.length > BATCH_CHARACTERS && batch.length > 0) {
      yield batch;
      batch = [];
      characters = 0;
    }
    batch.push({ number, text });
    characters += text.length;
  }
  if (batch.length > 0) yield batch;
}

async function* createMany(
  client: AssetsClient,
  batch: NumberedLine[],
  signal: AbortSignal,
): AsyncGenerator<ImportedLine, void, undefined> {
  const body = batch.map(({ text }) => `${text}\n`).join("");
  let answered = 0;
  for await (const result of client.createAssets(body, { signal })) {
    const sent = batch[result.line - 1];
    if (!sent) continue;
    answered++;
    yield { ...result, line: sent.number };
  }
  if (answered < batch.length) {
    const message = `The server answered ${answered} of the ${batch.length} lines from line ${
      batch[0]?.number
    } on.`;
    throw new ClientError(message, { status: 200, code: "bad_answer" });
  }
}

async function* createEach(
  client: AssetsClient,
  batch: NumberedLine[],
  signal: AbortSignal,
): AsyncGenerator<ImportedLine, void, undefined> {
  for (let start = 0; start < batch.length; start += PARALLEL_CREATIONS) {
    const some = batch.slice(start, start + PARALLEL_CREATIONS);
    yield* await Promise.all(some.map((line) => createOne(client, line, signal)));
  }
}

async function createOne(
  client: AssetsClient,
  { number, text }: NumberedLine,
  signal: AbortSignal,
): Promise<ImportedLine> {
  try {
    const body: unknown = JSON.parse(text);
    if (!isJsonObject(body)) throw new SyntaxError("it must be an object");
    const { id, asset } = await client.createAsset(body, { signal });
    return { line: number, isCreated: true, id, asset_uri: asset.asset_uri };
  } catch (error) {
    if (error instanceof SyntaxError) {
      const reason = `The line is not valid JSON: ${error.message}.`;
      return { line: number, isCreated: false, code: "invalid_json", error: reason };
    }
    if (
      !(error instanceof ClientError) || error.status === 0 || error.status === 401 || error.status === 403
    ) throw error;
    return { line: number, isCreated: false, code: error.code, error: error.message };
  }
}
