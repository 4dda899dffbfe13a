/** A search: words as they are typed, and a MongoDB filter beside. */
import { type ApiAnswer, ApiError, attempt, post } from "./api.ts";
import { byId, debounced, el } from "./dom.ts";
import { isObject, type Json, type JsonObject, objects } from "./json.ts";
import { addressOf, isSearchAddress, shownState, showState } from "./search_state.ts";
import { allOf, anywhereFilter, beginningFilters, SMALL_COLLECTION } from "./search_words.ts";

/** How many assets there are decides how words are searched for; a search waits for the number so long at most. */
const TOTAL_WAIT_MS = 1000;

/** A filter as it was typed that is no filter. */
class FilterProblem extends Error {}

/** A page of what was found. */
export interface FoundPage {
  answer: ApiAnswer;
  /** From 1. */
  number: number;
  hasNext: boolean;
  /** Counts all that the search finds; `undefined` if that fails, or is of no interest any more. */
  count: () => Promise<number | undefined>;
  /** Counting takes milliseconds: there are not many assets, or all of them are counted. */
  isCountCheap: boolean;
  /** Words were only compared with how values begin. */
  isBeginning: boolean;
}

/** A search that can be run again. */
export interface RunningSearch {
  /** Searches again, from the first page. */
  again: () => Promise<void>;
  /** Searches for what the address says. */
  start: () => Promise<void>;
  /** The same, if that is something else than is shown. */
  followAddress: () => Promise<void>;
}

/** Ties the boxes, the order and the pages of a search together. `show` takes each page in. */
export function setUpSearch(show: (page: FoundPage) => void): RunningSearch {
  const search = new PagedSearch(show);
  const box = byId("search", HTMLInputElement);
  const filter = byId("filter", HTMLTextAreaElement);
  const typed = debounced(() => search.again());
  box.addEventListener("input", () => {
    // Other words are a new search.
    search.anywhere = false;
    typed();
  });
  filter.addEventListener("input", typed);
  const everywhere = async () => {
    search.anywhere = true;
    await search.again();
  };
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing && box.value.trim() !== "") everywhere();
  });
  byId("anywhere", HTMLButtonElement).addEventListener("click", everywhere);
  for (const id of ["sort", "page-size"]) {
    byId(id, HTMLSelectElement).addEventListener(
      "change",
      () => search.again(),
    );
  }
  byId("next", HTMLButtonElement).addEventListener(
    "click",
    () => search.turn(1),
  );
  byId("previous", HTMLButtonElement).addEventListener(
    "click",
    () => search.turn(-1),
  );
  for (
    const example of document.querySelectorAll<HTMLButtonElement>(
      "[data-filter]",
    )
  ) {
    example.addEventListener("click", () => {
      filter.value = example.dataset.filter ?? "";
      search.again();
    });
  }
  return {
    again: () => search.again(),
    start: () => search.start(),
    followAddress: () => search.followAddress(),
  };
}

class PagedSearch {
  anywhere = false;
  /** How many assets there are in all, when that was last asked. */
  #total: number | undefined;
  readonly #show: (page: FoundPage) => void;
  #running = new AbortController();
  /** The filters to try, the first that finds something last. */
  #filters: JsonObject[] = [];
  /** Where each page up to this one begins. */
  #cursors: (string | null)[] = [null];
  #next: string | null = null;

  constructor(show: (page: FoundPage) => void) {
    this.#show = show;
  }

  async again(): Promise<void> {
    let typed: JsonObject | undefined;
    try {
      typed = typedFilter();
      showFilterProblem("");
    } catch (error) {
      if (!(error instanceof FilterProblem)) throw error;
      return showFilterProblem(error.message);
    }
    const state = shownState(this.anywhere);
    if (isSearchAddress(location.hash)) {
      history.replaceState(null, "", addressOf(state));
    }
    this.#begin();
    const { signal } = this.#running;
    await this.#attempt(async () => {
      if (this.#total === undefined) {
        await Promise.race([
          this.#count({}, signal),
          new Promise((done) => setTimeout(done, TOTAL_WAIT_MS)),
        ]);
      }
      this.#filters = this.#wordFilters(state.text).map((words) =>
        allOf([words, typed ?? {}].filter(isAsking))
      );
      this.#cursors = [null];
      await this.#load(signal);
    });
  }

  async followAddress(): Promise<void> {
    const shown = addressOf(shownState(this.anywhere));
    if (shown !== (location.hash === "" ? "#/" : location.hash)) {
      await this.start();
    }
  }

  async start(): Promise<void> {
    if (isSearchAddress(location.hash)) {
      this.anywhere = showState(location.hash);
    }
    await this.again();
  }

  /** To the next page or back. */
  async turn(by: 1 | -1): Promise<void> {
    const cursors = by === 1 ? [...this.#cursors, this.#next] : this.#cursors.slice(0, -1);
    this.#begin();
    const { signal } = this.#running;
    await this.#attempt(async () => {
      const before = this.#cursors;
      this.#cursors = cursors;
      await this.#load(signal).catch((error) => {
        this.#cursors = before;
        throw error;
      });
      byId("found", HTMLElement).scrollIntoView({ block: "nearest" });
    });
  }

  /** Whatever is under way is for nobody any more. */
  #begin(): void {
    this.#running.abort();
    this.#running = new AbortController();
    byId("results", HTMLElement).setAttribute("aria-busy", "true");
  }

  async #attempt(action: () => Promise<void>): Promise<void> {
    const { signal } = this.#running;
    await attempt(async () => {
      try {
        await action();
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== "invalid_filter") {
          throw error;
        }
        showFilterProblem(error.message);
        byId("filter-box", HTMLDetailsElement).open = true;
      }
    });
    if (!signal.aborted) {
      byId("results", HTMLElement).removeAttribute("aria-busy");
    }
  }

  async #count(
    filter: JsonObject,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const answer = await post("/assets?count=only", filter, signal).catch(() => undefined);
    const count = answer?.body.count;
    if (typeof count !== "number") return undefined;
    if (!isAsking(filter)) this.#total = count;
    return count;
  }

  #wordFilters(text: string): JsonObject[] {
    if (text.trim() === "") return [{}];
    return this.#looksInside(text) ? [anywhereFilter(text)] : beginningFilters(text);
  }

  #looksInside(text: string): boolean {
    return text.trim() !== "" && (this.anywhere || this.#isSmall());
  }

  /** Where nothing is known, it may be large. */
  #isSmall(): boolean {
    return (this.#total ?? Infinity) <= SMALL_COLLECTION;
  }

  async #load(signal: AbortSignal): Promise<void> {
    const cursor = this.#cursors.at(-1) ?? null;
    const { text, sort, size } = shownState(this.anywhere);
    const query = new URLSearchParams({ limit: size, include: "id" });
    if (sort !== "") query.set("sort", sort);
    if (cursor !== null) query.set("cursor", cursor);
    let answer: ApiAnswer | undefined;
    let filter: JsonObject = {};
    for (filter of this.#filters) {
      answer = await post(`/assets?${query}`, filter, signal);
      if (objects(answer.body.data).length > 0) break;
    }
    if (answer === undefined) return;
    this.#filters = [filter];
    const { next_cursor } = answer.body;
    this.#next = typeof next_cursor === "string" ? next_cursor : null;
    byId("next", HTMLButtonElement).disabled = this.#next === null;
    byId("previous", HTMLButtonElement).disabled = this.#cursors.length === 1;
    const isBeginning = text.trim() !== "" && !this.#looksInside(text);
    byId("wider", HTMLElement).hidden = !isBeginning;
    this.#show({
      answer,
      number: this.#cursors.length,
      hasNext: this.#next !== null,
      count: () => this.#count(filter, signal),
      isCountCheap: this.#isSmall() || !isAsking(filter),
      isBeginning,
    });
  }
}

/** Whether a filter leaves anything out. */
function isAsking(filter: JsonObject): boolean {
  return Object.keys(filter).length > 0;
}

function typedFilter(): JsonObject | undefined {
  const typed = byId("filter", HTMLTextAreaElement).value.trim();
  if (typed === "") return undefined;
  let json: Json;
  try {
    json = JSON.parse(typed);
  } catch (error) {
    throw new FilterProblem(
      `The filter is not JSON: ${error instanceof Error ? error.message : error}`,
    );
  }
  if (!isObject(json)) {
    throw new FilterProblem(
      'The filter must be an object, such as {"asset_tags": "demo"}.',
    );
  }
  return json;
}

/** Says beside the filter what is wrong with it; "" takes that away. */
function showFilterProblem(problem: string): void {
  byId("filter-problem", HTMLElement).textContent = problem;
  const box = byId("filter", HTMLTextAreaElement);
  if (problem === "") box.removeAttribute("aria-invalid");
  else box.setAttribute("aria-invalid", "true");
}

/** A row of words, such as tags; of more than `most` the last ones are only counted. */
export function chips(
  values: Json | undefined,
  most = Infinity,
  chip: (word: string) => HTMLElement = (word) => el("span", { class: "chip" }, word),
): HTMLElement {
  const list = el("span", { class: "chips" });
  const words = Array.isArray(values) ? values.map(String) : [];
  list.append(...words.slice(0, most).map(chip));
  if (words.length > most) {
    list.append(el("span", { class: "chip muted" }, `+${words.length - most}`));
  }
  return list;
}
