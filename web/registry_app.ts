/** The page of a registry: the Assets DBs with their health, and a search over all of them. */
import { sentenceOf, setUpToken } from "./api.ts";
import { versionText } from "./asset_list.ts";
import { announce, byId, el, setUpShell, showProblem, sizeText } from "./dom.ts";
import { type JsonObject, object, objects, text } from "./json.ts";
import { Entries, pageOf, webAddress } from "./registry_entries.ts";
import { chips, setUpSearch } from "./search.ts";

/** How often the list is read again while the page is looked at. */
const REFRESH_MS = 15_000;

/** As many tags of an asset are shown in the list. */
const MAX_TAGS = 6;

/** Up to so many Assets DBs, how each took part is shown at once. */
const OPEN_SOURCES = 5;

const entries = new Entries();

function foundRow(asset: JsonObject): HTMLTableRowElement {
  const name = text(asset.asset_name);
  const holder = entries.holderOf(asset);
  const { file_size, file_type } = object(asset.asset_file_info);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, assetLink(asset, name, holder)),
    el(
      "td",
      { class: "version" },
      el("span", { class: "clamp" }, versionText(asset)),
    ),
    el("td", { class: "size" }, sizeText(file_size)),
    el("td", { class: "type" }, text(file_type)),
    el("td", { class: "tags" }, chips(asset.asset_tags, MAX_TAGS)),
    el(
      "td",
      { class: "holder" },
      holder ? text(holder.asset_registry_name) : hostOf(text(asset.asset_public_url)),
    ),
  );
}

/** To the asset on the page of its Assets DB; where that is not known, to its file. */
function assetLink(
  asset: JsonObject,
  name: string,
  holder: JsonObject | undefined,
): HTMLElement {
  const reference = text(asset.asset_uri) || text(asset.id);
  const page = holder && webAddress(holder) !== ""
    ? `${pageOf(holder)}#/asset/${encodeURIComponent(reference)}`
    : text(asset.asset_public_url);
  if (!/^https?:\/\//i.test(page)) return el("span", { class: "clamp" }, name);
  return el("a", {
    href: page,
    rel: "noreferrer noopener",
    class: "clamp",
    title: name,
  }, name);
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "";
}

function sourceRow(source: JsonObject): HTMLTableRowElement {
  const status = text(source.status);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, text(source.asset_registry_name)),
    el(
      "td",
      { "data-label": "Status" },
      el("span", { class: `badge badge-${status}` }, status),
    ),
    el(
      "td",
      { "data-label": "On this page" },
      typeof source.count === "number" ? String(source.count) : "",
    ),
    el("td", { "data-label": "Problem" }, text(source.error)),
  );
}

const search = setUpSearch(
  ({ answer: { body }, number, hasNext, isBeginning }) => {
    const assets = objects(body.data);
    const sources = objects(body.sources);
    byId("rows", HTMLTableSectionElement).replaceChildren(
      ...assets.map(foundRow),
    );
    byId("list", HTMLElement).hidden = assets.length === 0;
    byId("nothing", HTMLElement).hidden = assets.length > 0;
    byId("source-rows", HTMLTableSectionElement).replaceChildren(
      ...sources.map(sourceRow),
    );
    const place = byId("sources", HTMLDetailsElement);
    if (place.hidden) place.open = sources.length <= OPEN_SOURCES;
    place.hidden = sources.length === 0;
    const asked = sources.filter(({ status }) => status === "ok").length;
    const where = ` in ${asked} of ${sources.length} Assets DBs`;
    const how = isBeginning ? " that begin so" : "";
    const found = assets.length === 0
      ? `Nothing found${how}${where}.`
      : `Page ${number}${hasNext ? "" : ", the last"}: ${assets.length} asset${
        assets.length === 1 ? "" : "s"
      }${how}${where}`;
    byId("found", HTMLElement).textContent = found;
    announce(found);
  },
);

async function refresh(): Promise<void> {
  if (await entries.refresh()) await search.again();
}

let isAway = false;

/** What the page says of other things stays, unless the server was away and is back. */
async function refreshQuietly(): Promise<void> {
  if (
    getSelection()?.isCollapsed === false || document.visibilityState !== "visible" ||
    document.querySelector("dialog[open]")
  ) return;
  try {
    await entries.load();
    if (isAway) showProblem("");
    isAway = false;
  } catch (error) {
    isAway = true;
    showProblem(sentenceOf(error));
  }
}

setUpToken(refresh);
setUpShell();
addEventListener("hashchange", () => search.followAddress());
setInterval(refreshQuietly, REFRESH_MS);
if (await entries.refresh()) await search.start();
