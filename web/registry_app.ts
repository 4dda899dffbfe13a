/** The page of a registry: the Assets DBs with their health, and a search over all of them. */
import { ask, attempt, type JsonObject, object, objects, post, setUpToken, text } from "./api.ts";
import { cell } from "./asset_list.ts";
import { announce, byId, el, sizeText, svg } from "./dom.ts";
import { chips, setUpSearch } from "./search.ts";

/** How often the list is read again while the page is looked at. */
const REFRESH_MS = 15_000;

const BAR = { width: 5, gap: 1, height: 28 };

/** Shows the list of Assets DBs. */
async function showEntries(): Promise<void> {
  await attempt(async () => {
    const { body } = await post("/asset_registries?include=health&limit=200", {});
    const entries = objects(body.data);
    byId("no-entries", HTMLElement).hidden = entries.length > 0;
    byId("entries", HTMLElement).replaceChildren(...await Promise.all(entries.map(card)));
  });
}

async function card(entry: JsonObject): Promise<HTMLElement> {
  const id = text(entry.asset_registry_id);
  const url = text(entry.asset_registry_public_url);
  const health = object(entry.health);
  const { body } = await ask(`/asset_registry/${encodeURIComponent(id)}?include=health`);
  const { history } = object(object(body.data).health);
  const status = text(health.status) || "unknown";
  const check = async () => {
    await attempt(async () => {
      const answer = await ask(`/check_health/${encodeURIComponent(id)}`);
      announce(`${text(entry.asset_registry_name)} is ${text(object(answer.body.health).status)}.`);
    });
    await showEntries();
  };
  const name = text(entry.asset_registry_name);
  return el(
    "li",
    { class: "card" },
    el("h3", {}, name, " ", el("span", { class: `badge badge-${status}` }, status)),
    el(
      "p",
      {},
      /^https?:/i.test(url)
        ? el("a", { href: url, rel: "noreferrer noopener" }, url)
        : el("span", { class: "muted" }, "no address"),
    ),
    chips(entry.asset_registry_tags),
    chart(objects(history), name),
    el("p", { class: "muted" }, line(health)),
    el(
      "button",
      { type: "button", class: "quiet", "aria-label": `Check now: ${name}`, onclick: check },
      "Check now",
    ),
  );
}

function line({ latency_ms, since, error }: JsonObject): string {
  const parts = [
    typeof latency_ms === "number" ? `${latency_ms} ms` : "",
    since ? `since ${new Date(text(since)).toLocaleString()}` : "",
    text(error),
  ];
  return parts.filter((part) => part !== "").join(" · ") || "not checked yet";
}

/** One bar for each check: its height is the time it took, its colour how it went. */
function chart(history: JsonObject[], name: string): Node {
  const width = Math.max(history.length, 1) * (BAR.width + BAR.gap);
  const longest = Math.max(1, ...history.map(({ latency_ms }) => Number(latency_ms)));
  const failed = history.filter(({ status }) => status !== "healthy").length;
  const label = `Health of ${name}: ${history.length} checks, ${failed} of them failed`;
  const bars = history.map(({ status, latency_ms }, index) => {
    const height = status === "healthy" ? 4 + (BAR.height - 4) * Number(latency_ms) / longest : BAR.height;
    return svg("rect", {
      class: `bar-${text(status)}`,
      x: index * (BAR.width + BAR.gap),
      y: BAR.height - height,
      width: BAR.width,
      height,
      rx: 1,
    });
  });
  return svg(
    "svg",
    {
      class: "chart",
      role: "img",
      "aria-label": label,
      viewBox: `0 0 ${width} ${BAR.height}`,
      width,
      height: BAR.height,
    },
    ...bars,
  );
}

function foundRow(asset: JsonObject): HTMLTableRowElement {
  const { version, tag } = object(asset.asset_version);
  const url = text(asset.asset_public_url);
  const name = text(asset.asset_name);
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row" },
      /^https?:/i.test(url) ? el("a", { href: url, rel: "noreferrer noopener" }, name) : name,
    ),
    cell("Version", [text(version), text(tag)].filter((part) => part !== "").join("-")),
    cell("Size", sizeText(object(asset.asset_file_info).file_size)),
    cell("Type", text(object(asset.asset_file_info).file_type)),
    cell("Tags", chips(asset.asset_tags)),
  );
}

function sourceRow(source: JsonObject): HTMLTableRowElement {
  const status = text(source.status);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, text(source.asset_registry_name)),
    el("td", { "data-label": "Status" }, el("span", { class: `badge badge-${status}` }, status)),
    cell("Found here", String(source.count)),
    cell("Problem", text(source.error)),
  );
}

const search = setUpSearch({
  attempt,
  show: ({ body }, { number }) => {
    const assets = objects(body.data);
    byId("rows", HTMLTableSectionElement).replaceChildren(...assets.map(foundRow));
    byId("list", HTMLElement).hidden = assets.length === 0;
    byId("empty", HTMLElement).hidden = assets.length > 0;
    byId("source-rows", HTMLTableSectionElement).replaceChildren(...objects(body.sources).map(sourceRow));
    const found = assets.length === 0 ? "Nothing found." : `Page ${number}: ${assets.length} assets`;
    byId("found", HTMLElement).textContent = found;
    announce(found);
  },
});

async function refresh(): Promise<void> {
  await showEntries();
  await search();
}

setUpToken(refresh);
for (const button of document.querySelectorAll<HTMLButtonElement>("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog")?.close());
}
setInterval(
  () => document.visibilityState === "visible" && !document.querySelector("dialog[open]") && showEntries(),
  REFRESH_MS,
);
await refresh();
