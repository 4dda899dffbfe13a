/** The list of assets. */
import { attempt, type JsonObject, object, objects, post, text } from "./api.ts";
import { announce, byId, el, sizeText } from "./dom.ts";
import { chips, setUpSearch } from "./search.ts";

/** The address of an asset's details on the page. */
export function assetLink(asset: JsonObject): string {
  return `#/asset/${encodeURIComponent(text(asset.asset_uri) || text(asset.id))}`;
}

/** Makes the list work; returns what searches anew. */
export function setUpAssetList(): () => Promise<void> {
  let total: number | undefined;
  let shown = { first: 0, last: 0 };
  const describe = () => {
    const { first, last } = shown;
    const of = total === undefined ? "" : ` of ${total.toLocaleString("en")}`;
    const line = last === 0
      ? "Nothing found."
      : `${first.toLocaleString("en")}–${last.toLocaleString("en")}${of}`;
    byId("found", HTMLElement).textContent = line;
    announce(line);
  };
  return setUpSearch({
    attempt,
    show: ({ body }, { number }) => {
      const assets = objects(body.data);
      const size = Number(byId("page-size", HTMLSelectElement).value);
      const before = (number - 1) * size;
      shown = { first: before + 1, last: assets.length === 0 ? 0 : before + assets.length };
      byId("rows", HTMLTableSectionElement).replaceChildren(...assets.map(row));
      byId("list", HTMLElement).hidden = assets.length === 0;
      byId("empty", HTMLElement).hidden = assets.length > 0;
      describe();
    },
    begin: async (filter, signal) => {
      total = undefined;
      // The count may take longer than the first page: that does not wait for it.
      const answer = await post("/assets?count=only", filter, signal).catch(() => undefined);
      if (typeof answer?.body.count !== "number") return;
      total = answer.body.count;
      describe();
    },
  });
}

function row(asset: JsonObject): HTMLTableRowElement {
  const { version, tag } = object(asset.asset_version);
  const { file_size, file_type } = object(asset.asset_file_info);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, el("a", { href: assetLink(asset) }, text(asset.asset_name))),
    cell("Version", [text(version), text(tag)].filter((part) => part !== "").join("-")),
    cell("Size", sizeText(file_size)),
    cell("Type", text(file_type)),
    cell("Tags", chips(asset.asset_tags)),
  );
}

/** A cell that on a phone says which column it is of. */
export function cell(label: string, content: Node | string): HTMLTableCellElement {
  return el("td", { "data-label": label }, content);
}
