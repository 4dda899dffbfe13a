/** What is searched for, as it stands in the address: a reload, a bookmark or a link finds it again. */
import { byId } from "./dom.ts";

/** What is searched for. */
export interface SearchState {
  /** The words. */
  text: string;
  /** Whether they may stand anywhere. */
  anywhere: boolean;
  /** The filter, as typed. */
  filter: string;
  sort: string;
  size: string;
}

const PREFIX = "#/";

/** What the boxes say. */
export function shownState(anywhere: boolean): SearchState {
  return {
    text: byId("search", HTMLInputElement).value,
    anywhere,
    filter: byId("filter", HTMLTextAreaElement).value,
    sort: byId("sort", HTMLSelectElement).value,
    size: byId("page-size", HTMLSelectElement).value,
  };
}

/** Puts what an address says into the boxes; returns whether words may stand anywhere. */
export function showState(hash: string): boolean {
  const given = new URLSearchParams(
    hash.startsWith(`${PREFIX}?`) ? hash.slice(PREFIX.length + 1) : "",
  );
  byId("search", HTMLInputElement).value = given.get("q") ?? "";
  byId("filter", HTMLTextAreaElement).value = given.get("filter") ?? "";
  if (given.has("filter")) byId("filter-box", HTMLDetailsElement).open = true;
  choose(byId("sort", HTMLSelectElement), given.get("sort"));
  choose(byId("page-size", HTMLSelectElement), given.get("size"));
  return given.get("in") === "all";
}

/** The address of a search; what is as it is at first is left out. */
export function addressOf(
  { text, anywhere, filter, sort, size }: SearchState,
): string {
  const said = new URLSearchParams();
  if (text.trim() !== "") said.set("q", text);
  if (anywhere) said.set("in", "all");
  if (filter.trim() !== "") said.set("filter", filter);
  if (sort !== firstValue("sort")) said.set("sort", sort);
  if (size !== firstValue("page-size")) said.set("size", size);
  return said.size === 0 ? PREFIX : `${PREFIX}?${said}`;
}

/** Whether an address is one of a search. */
export function isSearchAddress(hash: string): boolean {
  return hash === "" || hash === PREFIX || hash.startsWith(`${PREFIX}?`);
}

/** Chooses a value if there is one such, else the first. */
function choose(box: HTMLSelectElement, value: string | null): void {
  const index = [...box.options].findIndex((option) => option.value === value);
  box.selectedIndex = Math.max(index, 0);
}

function firstValue(id: string): string {
  return byId(id, HTMLSelectElement).options[0]?.value ?? "";
}
