/** A search: words as they are typed, and a MongoDB filter beside. */
import { type ApiAnswer, isObject, type Json, type JsonObject, post } from "./api.ts";
import { byId, debounced, el } from "./dom.ts";

/** A filter as it was typed that is no filter. */
class FilterProblem extends Error {}

/** The filter of what is in the search box and in the filter box. */
function currentFilter(): JsonObject {
  const parts: JsonObject[] = [];
  for (const word of byId("search", HTMLInputElement).value.trim().split(/\s+/)) {
    if (word === "") continue;
    const match: JsonObject = { $regex: word.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"), $options: "i" };
    parts.push({
      $or: [{ asset_name: match }, { asset_tags: match }, { asset_uri: match }, {
        "asset_metadata.description": match,
      }],
    });
  }
  const typed = byId("filter", HTMLTextAreaElement).value.trim();
  if (typed !== "") parts.push(parseFilter(typed));
  if (parts.length === 0) return {};
  return parts.length === 1 && parts[0] ? parts[0] : { $and: parts };
}

function parseFilter(typed: string): JsonObject {
  let json: Json;
  try {
    json = JSON.parse(typed);
  } catch (error) {
    throw new FilterProblem(`The filter is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (!isObject(json)) {
    throw new FilterProblem('The filter must be an object, such as {"asset_tags": "demo"}.');
  }
  return json;
}

/** How a search shows what it found. */
export interface SearchView {
  /** Takes one page of the answer in. */
  show: (answer: ApiAnswer, page: { number: number; hasNext: boolean }) => void;
  /** Called with the filter of a new search, before its first page is there. */
  begin?: (filter: JsonObject, signal: AbortSignal) => void;
  /** Does something, and shows what goes wrong. */
  attempt: (action: () => Promise<void>) => Promise<boolean>;
}

/** Ties the boxes, the order and the pages of a search together. Returns what searches again, from the first page. */
export function setUpSearch({ show, begin, attempt }: SearchView): () => Promise<void> {
  const sort = byId("sort", HTMLSelectElement);
  const [previous, next] = [byId("previous", HTMLButtonElement), byId("next", HTMLButtonElement)];
  let cursors: (string | null)[] = [null];
  let filter: JsonObject = {};
  let running = new AbortController();

  const load = async () => {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    await attempt(async () => {
      const cursor = cursors.at(-1) ?? null;
      const query = new URLSearchParams({ limit: byId("page-size", HTMLSelectElement).value, include: "id" });
      if (sort.value !== "") query.set("sort", sort.value);
      if (cursor !== null) query.set("cursor", cursor);
      const answer = await post(`/assets?${query}`, filter, signal);
      const after = answer.body.next_cursor;
      next.dataset.cursor = typeof after === "string" ? after : "";
      next.disabled = typeof after !== "string";
      previous.disabled = cursors.length === 1;
      show(answer, { number: cursors.length, hasNext: typeof after === "string" });
    });
  };
  const search = async () => {
    const place = byId("filter-problem", HTMLElement);
    const box = byId("filter", HTMLTextAreaElement);
    try {
      filter = currentFilter();
      place.textContent = "";
      box.removeAttribute("aria-invalid");
    } catch (error) {
      if (!(error instanceof FilterProblem)) throw error;
      place.textContent = error.message;
      box.setAttribute("aria-invalid", "true");
      return;
    }
    cursors = [null];
    const loaded = load();
    begin?.(filter, running.signal);
    await loaded;
  };
  const typed = debounced(search);
  byId("search", HTMLInputElement).addEventListener("input", typed);
  byId("filter", HTMLTextAreaElement).addEventListener("input", typed);
  sort.addEventListener("change", search);
  byId("page-size", HTMLSelectElement).addEventListener("change", search);
  next.addEventListener("click", () => {
    cursors.push(next.dataset.cursor ?? null);
    load();
  });
  previous.addEventListener("click", () => {
    cursors.pop();
    load();
  });
  for (const example of document.querySelectorAll<HTMLButtonElement>("[data-filter]")) {
    example.addEventListener("click", () => {
      byId("filter", HTMLTextAreaElement).value = example.dataset.filter ?? "";
      search();
    });
  }
  return search;
}

/** A row of words, such as tags. */
export function chips(values: Json | undefined): HTMLElement {
  const list = el("span", { class: "chips" });
  for (const value of Array.isArray(values) ? values : []) {
    list.append(el("span", { class: "chip" }, String(value)));
  }
  return list;
}
