/** The list of assets. */
import { announce, byId, el, sizeText } from "./dom.ts";
import { type JsonObject, object, objects, text } from "./json.ts";
import { chips, type FoundPage, type RunningSearch, setUpSearch } from "./search.ts";

/** As many tags of an asset are shown in the list. */
const MAX_TAGS = 6;

/** The address of an asset's details on the page. */
export function assetLink(asset: JsonObject): string {
  return `#/asset/${
    encodeURIComponent(
      text(asset.asset_uri) || text(asset.id) || text(asset.asset_id),
    )
  }`;
}

/** The version and its tag, as in the URI. */
export function versionText(asset: JsonObject): string {
  const { version, tag } = object(asset.asset_version);
  return [text(version), text(tag)].filter((part) => part !== "").join("-");
}

/** Makes the list work. */
export function setUpAssetList(): RunningSearch {
  let page: FoundPage | undefined;
  let shown = { first: 0, last: 0 };
  let total: number | undefined;
  const countButton = byId("count", HTMLButtonElement);
  const describe = () => {
    if (!page) return;
    const line = foundLine({ ...shown, total, ...page });
    byId("found", HTMLElement).textContent = line;
    announce(line);
  };
  const count = async (counted: FoundPage) => {
    countButton.hidden = true;
    if (!counted.isCountCheap) byId("found", HTMLElement).textContent += ", counting…";
    const found = await counted.count();
    if (page !== counted) return;
    total = found;
    countButton.hidden = total !== undefined;
    describe();
  };
  countButton.addEventListener("click", () => page && count(page));
  return setUpSearch((found) => {
    const assets = objects(found.answer.body.data);
    const size = Number(byId("page-size", HTMLSelectElement).value);
    const before = (found.number - 1) * size;
    page = found;
    shown = { first: before + 1, last: before + assets.length };
    if (found.number === 1) total = undefined;
    // The last page tells how many there are.
    if (!found.hasNext) total = shown.last;
    showAssets(assets);
    countButton.hidden = total !== undefined || found.isCountCheap;
    describe();
    // The count may take longer than the page: that does not wait for it.
    if (total === undefined && found.isCountCheap) count(found);
  });
}

function showAssets(assets: JsonObject[]): void {
  byId("rows", HTMLTableSectionElement).replaceChildren(...assets.map(row));
  byId("list", HTMLElement).hidden = assets.length === 0;
  const isSearching = byId("search", HTMLInputElement).value.trim() !== "" ||
    byId("filter", HTMLTextAreaElement).value.trim() !== "";
  byId("empty", HTMLElement).hidden = assets.length > 0 || isSearching;
  byId("nothing", HTMLElement).hidden = assets.length > 0 || !isSearching;
}

function foundLine(
  { first, last, total, hasNext, isBeginning }: FoundPage & {
    first: number;
    last: number;
    total?: number;
  },
): string {
  const how = isBeginning ? " that begin so" : "";
  if (last < first) {
    return isBeginning ? "Nothing begins so." : "Nothing found.";
  }
  const range = `${first.toLocaleString("en")}–${last.toLocaleString("en")}`;
  if (total !== undefined) {
    return `${range} of ${total.toLocaleString("en")}${how}`;
  }
  return hasNext ? `${range} of more${how}` : `${range}${how}`;
}

function row(asset: JsonObject): HTMLTableRowElement {
  const { file_size, file_type } = object(asset.asset_file_info);
  const name = text(asset.asset_name);
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row" },
      el("a", { href: assetLink(asset), class: "clamp", title: name }, name),
    ),
    el(
      "td",
      { class: "version" },
      el("span", { class: "clamp" }, versionText(asset)),
    ),
    el("td", { class: "size" }, sizeText(file_size)),
    el("td", { class: "type" }, text(file_type)),
    el("td", { class: "tags" }, chips(asset.asset_tags, MAX_TAGS)),
  );
}
