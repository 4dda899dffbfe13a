/** Federated search: one query, sent to every registered Assets DB at once, and one answer merged of theirs. */
import { compileFilter } from "../collection/filter.ts";
import { decodeFederationCursor, type FederationCursor } from "./federation_cursor.ts";
import { Places } from "./places.ts";
import { type FederatedRequest, Search, type SearchSettings } from "./search.ts";
import { reasonToSkip, type Source } from "./search_source.ts";
import type { RegistryService } from "./service.ts";

/** What federated searches work with. */
export interface FederationOptions extends SearchSettings {
  service: RegistryService;
  /** The most sources that are open at once, of all searches; 1,000 by default. */
  maxOpenSources?: number;
}

/** The most sources of one search: they are all open at once, since a merge looks at each one's next document. */
const MAX_SOURCES = 500;

/** The most sources that are open at once, of all searches: each holds a connection and some 128 KiB. */
const MAX_OPEN_SOURCES = 1000;

/** How long the list of entries may take. */
const LIST_TIMEOUT_MS = 30_000;

/** The federated searches of a registry. */
export class Federation {
  readonly #options: FederationOptions;
  readonly #places: Places;

  constructor(options: FederationOptions) {
    this.#options = options;
    this.#places = new Places(options.maxOpenSources ?? MAX_OPEN_SOURCES);
  }

  /**
   * Begins a search. The sources are asked when its documents are.
   *
   * @throws {ServiceError} `invalid_request` if the cursor is not one
   */
  async search(request: FederatedRequest): Promise<Search> {
    const { cursor: text, sort, isCountOnly } = request.options;
    const cursor = text === undefined ? undefined : decodeFederationCursor(text, sort);
    // A count is of all that match, wherever the page begins.
    const begin = isCountOnly ? undefined : cursor;
    const sources = await this.#sources(begin, request.signal);
    return new Search({ ...this.#options, places: this.#places, request, sources, begin });
  }

  /** Every entry in the order of registration; those that are not to be asked have an outcome already. */
  async #sources(cursor: FederationCursor | undefined, signal: AbortSignal): Promise<Source[]> {
    const { service } = this.#options;
    const recorded = await service.records.all();
    const sources: Source[] = [];
    let asked = 0;
    const everything = { filter: compileFilter({}), timeoutMs: LIST_TIMEOUT_MS, signal };
    for await (const { id, document } of service.entries.query(everything).matches) {
      const url = String(document.asset_registry_public_url);
      const known = recorded.get(id);
      const about = known?.url === url ? known.about : {};
      const reason = cursor?.isAbsent(id)
        ? "It had no part in an earlier page of this search; a new search asks it again."
        : reasonToSkip(url, known) ??
          (asked === MAX_SOURCES ? `A search asks ${MAX_SOURCES} at most.` : undefined);
      if (reason === undefined) asked++;
      sources.push({
        id,
        asset_registry_id: String(document.asset_registry_id),
        asset_registry_name: String(document.asset_registry_name),
        url,
        about,
        outcome: reason === undefined ? undefined : { status: "skipped", error: reason },
        count: 0,
        duplicates: 0,
      });
    }
    return sources;
  }
}
