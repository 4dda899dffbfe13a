/** The Assets DBs of a registry: the unhealthy ones first, each with its health and the history of it. */
import { ask, askForTokenIfRefused, attempt, post, sentenceOf } from "./api.ts";
import { announce, byId, el, showProblem, svg } from "./dom.ts";
import { type JsonObject, object, objects, text } from "./json.ts";
import { chips } from "./search.ts";

/** So many are shown at first: on a phone, and where there is room. */
const FIRST_SHOWN = { narrow: 3, wide: 6 };

/** So many are known to the page. */
const MAX_ENTRIES = 1000;

/** So many checks are drawn, so wide each. */
const BAR = { width: 5, gap: 1, height: 28 };
const MAX_BARS = 60;

/** What needs somebody's eyes comes first. */
const ORDER = ["unhealthy", "unknown", "healthy"];

/** The Assets DBs on the page. */
export class Entries {
  #known: JsonObject[] = [];
  #showsAll = false;
  readonly #firstShown = matchMedia("(max-width: 48rem)").matches ? FIRST_SHOWN.narrow : FIRST_SHOWN.wide;

  constructor() {
    byId("all-entries", HTMLButtonElement).addEventListener("click", () => {
      this.#showsAll = !this.#showsAll;
      this.refresh();
    });
  }

  /** Reads them again, and shows what goes wrong. */
  async refresh(): Promise<boolean> {
    return await attempt(() => this.load());
  }

  /** Reads them again. */
  async load(): Promise<void> {
    const { body } = await post(
      `/asset_registries?include=health&limit=${MAX_ENTRIES}`,
      {},
    );
    this.#known = objects(body.data).sort(byUrgency);
    const shown = this.#showsAll ? this.#known : this.#known.slice(0, this.#firstShown);
    const cards = await Promise.all(shown.map((entry) => this.#card(entry)));
    const focused = document.activeElement instanceof HTMLElement
      ? document.activeElement.dataset.check
      : undefined;
    byId("entries", HTMLElement).replaceChildren(...cards);
    if (focused !== undefined) {
      document.querySelector<HTMLElement>(
        `[data-check="${CSS.escape(focused)}"]`,
      )?.focus();
    }
    this.#showSummary();
  }

  /** The Assets DB that holds an asset: by its id, or by where the file is. */
  holderOf(asset: JsonObject): JsonObject | undefined {
    const place = text(asset.asset_public_url);
    return this.#known.find((entry) => text(entry.asset_registry_id) === text(asset.assets_db_id)) ??
      this.#known.find((entry) => webAddress(entry) !== "" && place.startsWith(`${webAddress(entry)}/`));
  }

  #showSummary(): void {
    const count = this.#known.length;
    const healthy = this.#known.filter(({ health }) => object(health).status === "healthy")
      .length;
    byId("no-entries", HTMLElement).hidden = count > 0;
    byId("search-section", HTMLElement).hidden = count === 0;
    byId("entries-summary", HTMLElement).textContent = count === 0
      ? ""
      : `${count} registered${count === MAX_ENTRIES ? " or more" : ""}, ${healthy} healthy`;
    const button = byId("all-entries", HTMLButtonElement);
    button.hidden = count <= this.#firstShown;
    button.textContent = this.#showsAll ? "Show fewer" : `Show all ${count}`;
    button.setAttribute("aria-expanded", String(this.#showsAll));
  }

  async #card(entry: JsonObject): Promise<HTMLElement> {
    const id = text(entry.asset_registry_id);
    const name = text(entry.asset_registry_name);
    const health = object(entry.health);
    const status = text(health.status) || "unknown";
    const { body } = await ask(
      `/asset_registry/${encodeURIComponent(id)}?include=health`,
    );
    const { history } = object(object(body.data).health);
    const check = () => this.#check(id, name);
    return el(
      "li",
      { class: "card" },
      el(
        "h3",
        {},
        name,
        " ",
        el("span", { class: `badge badge-${status}` }, status),
      ),
      el("p", {}, place(entry)),
      chips(entry.asset_registry_tags),
      chart(objects(history), name),
      el("p", { class: "muted" }, line(health)),
      el(
        "button",
        {
          type: "button",
          class: "quiet",
          "data-check": id,
          "aria-label": `Check now: ${name}`,
          onclick: check,
        },
        "Check now",
      ),
    );
  }

  /** Checks one now. What the check found stays to be read when the list has been read again. */
  async #check(id: string, name: string): Promise<void> {
    let problem: unknown;
    try {
      const answer = await ask(`/check_health/${encodeURIComponent(id)}`);
      announce(`${name} is ${text(object(answer.body.health).status)}.`);
    } catch (error) {
      problem = error;
    }
    if (!await this.refresh() || problem === undefined) return;
    showProblem(sentenceOf(problem));
    askForTokenIfRefused(problem);
  }
}

/** The address of an Assets DB without a slash at its end; "" if it is none for browsers. */
export function webAddress(entry: JsonObject): string {
  const url = text(entry.asset_registry_public_url);
  return /^https?:\/\//i.test(url) ? url.replace(/\/+$/, "") : "";
}

/** The page of an Assets DB. */
export function pageOf(entry: JsonObject): string {
  return `${webAddress(entry)}/ui/`;
}

function place(entry: JsonObject): HTMLElement {
  return webAddress(entry) === "" ? el("span", { class: "muted" }, "no address") : el(
    "a",
    { href: pageOf(entry), rel: "noreferrer noopener" },
    text(entry.asset_registry_public_url),
  );
}

function byUrgency(a: JsonObject, b: JsonObject): number {
  const rank = (entry: JsonObject) => ORDER.indexOf(text(object(entry.health).status));
  const name = (entry: JsonObject) => text(entry.asset_registry_name);
  return rank(a) - rank(b) || name(a).localeCompare(name(b));
}

function line({ latency_ms, since, error }: JsonObject): string {
  const parts = [
    typeof latency_ms === "number" ? `${latency_ms} ms` : "",
    since ? `since ${new Date(text(since)).toLocaleString()}` : "",
    text(error),
  ];
  return parts.filter((part) => part !== "").join(" · ") || "not checked yet";
}

/** One bar for each check, the last one at the right: its height is the time it took, its colour how it went. */
function chart(history: JsonObject[], name: string): Node {
  const width = MAX_BARS * (BAR.width + BAR.gap);
  const longest = Math.max(
    1,
    ...history.map(({ latency_ms }) => Number(latency_ms)),
  );
  const failed = history.filter(({ status }) => status !== "healthy").length;
  const label = `Health of ${name}: ${history.length} checks, ${failed} of them failed`;
  const from = MAX_BARS - history.length;
  const bars = history.map(({ status, latency_ms }, index) => {
    const height = status === "healthy" ? 4 + (BAR.height - 4) * Number(latency_ms) / longest : BAR.height;
    return svg("rect", {
      class: `bar-${text(status)}`,
      x: (from + index) * (BAR.width + BAR.gap),
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
      preserveAspectRatio: "none",
    },
    svg("title", {}, label),
    ...bars,
  );
}
