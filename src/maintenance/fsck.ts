/**
 * Checks the data of a server, and mends what can be mended.
 *
 * What it holds for right: every document is whole, is found by its unique values, and has its file; every unique key, every
 * piece and every file belongs to a document, or to a write that the journal names; the index of queries says what the
 * documents say.
 */
import { checkDocuments } from "./check_documents.ts";
import { checkFiles } from "./check_files.ts";
import { checkView } from "./check_view.ts";
import { checkWrites } from "./check_writes.ts";
import type { CheckOptions, Extent, Finding } from "./finding.ts";
import type { Site } from "./site.ts";

/** What became of a finding. */
export type Outcome = "found" | "mended" | "remains";

/** Told of each finding, as soon as it is known. */
export type Report = (finding: Finding, outcome: Outcome) => Promise<void>;

/** What a check came to. */
export interface Result extends Extent {
  findings: number;
  mended: number;
  /** How many are still there at the end. */
  remaining: number;
}

/** Mending one thing can bring another to light, such as the file of a document that was damaged. */
const MAX_ROUNDS = 4;

/** Checks everything once. */
export async function check(site: Site, options: CheckOptions, report: Report): Promise<Result> {
  const extent = noExtent();
  let findings = 0;
  for await (const finding of findingsOf(site, options, extent)) {
    findings++;
    await report(finding, "found");
  }
  return { ...extent, findings, mended: 0, remaining: findings };
}

/**
 * Checks everything and mends it, until a check finds nothing that can be mended.
 *
 * @param site held
 */
export async function repair(site: Site, options: CheckOptions, report: Report): Promise<Result> {
  let findings = 0;
  let mended = 0;
  const told = new Set<string>();
  for (let round = 1;; round++) {
    const extent = noExtent();
    let mendedNow = 0;
    let remaining = 0;
    // What was read is right since, or was moved away.
    const readsFiles = options.readsFiles && round === 1;
    for await (const finding of findingsOf(site, { ...options, readsFiles }, extent)) {
      const isMended = await finding.mend?.(site) ?? false;
      if (isMended) mendedNow++;
      else remaining++;
      const name = `${finding.kind} ${finding.subject}`;
      if (told.has(name) && !isMended) continue;
      if (!told.has(name)) findings++;
      told.add(name);
      await report(finding, isMended ? "mended" : "remains");
    }
    mended += mendedNow;
    if (mendedNow === 0 || round === MAX_ROUNDS) return { ...extent, findings, mended, remaining };
  }
}

async function* findingsOf(site: Site, options: CheckOptions, extent: Extent): AsyncGenerator<Finding> {
  yield* checkDocuments(site, options, extent);
  if (site.store) {
    yield* checkFiles(site, site.store, options, extent);
    yield* checkWrites(site, site.store, options, extent);
  }
  yield* checkView(site, options);
}

function noExtent(): Extent {
  return { documents: 0, files: 0, fileBytes: 0, pending: 0, uploads: 0 };
}
