/** One entry of a registry as a source of a search. */
import type { JsonObject } from "../collection/json.ts";
import { healthOf, type RecordedHealth } from "./health_records.ts";
import type { SourceOutcome } from "./source_outcome.ts";
import type { SourceStream } from "./source_stream.ts";

/** An entry that a search could ask. */
export interface Source {
  /** Of the entry's document. */
  id: string;
  asset_registry_id: string;
  asset_registry_name: string;
  url: string;
  about: RecordedHealth["about"];
  /** Set once it is known that or how it takes part. */
  outcome?: SourceOutcome;
  stream?: SourceStream;
  /** How many documents of the answer are its own. */
  count: number;
  /** How many of its documents another source had given, or gave as their owner. */
  duplicates: number;
}

/** Why an entry is not to be asked, if it is not. */
export function reasonToSkip(url: string, known: RecordedHealth | undefined): string | undefined {
  if (url === "") return "It has no public URL.";
  const { status, error } = healthOf(url, known);
  if (status === "unhealthy") return `It is known to be unhealthy: ${error ?? "its last check failed."}`;
  if (known?.url === url && known.about.mode === "registry") return "It is a registry, not an Assets DB.";
  return undefined;
}

/** How a source did so far. */
export function outcomeOf({ outcome, stream }: Source): SourceOutcome {
  return stream?.outcome ?? outcome ?? { status: "ok" };
}

/** What is told of a source: how it did, and if that is asked for what it has done. */
export function shownSource(source: Source, { explains }: { explains: boolean }): JsonObject {
  return {
    asset_registry_id: source.asset_registry_id,
    asset_registry_name: source.asset_registry_name,
    asset_registry_public_url: source.url,
    count: source.count,
    ...outcomeOf(source),
    ...explains && { explain: workOf(source) },
  };
}

/** What a source has done; of one that was not asked, nothing. */
function workOf({ stream, duplicates }: Source): JsonObject {
  const { requests = 0, bytes = 0, documents = 0, firstMs, endMs } = stream?.work ?? {};
  const times = { first_ms: tenths(firstMs), took_ms: tenths(endMs) };
  return { requests, bytes, documents, duplicates, ...times };
}

/** Milliseconds to a tenth. */
export function tenths(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 10) / 10;
}
