/** The versions of an asset's name, side by side: the newest at first, then those that are chosen. */
import { ask, attempt, post } from "./api.ts";
import { assetLink, versionText } from "./asset_list.ts";
import { announce, el, sizeText } from "./dom.ts";
import { type JsonObject, object, objects, text } from "./json.ts";
import { leaves } from "./tree.ts";

/** So many versions stand side by side at first: on a phone, and where there is room. */
const FIRST_COLUMNS = { narrow: 2, wide: 4 };

/** The versions are listed in pages of this size. */
const PAGE = 1000;

/** Of a name with more versions than this, the oldest ones are listed. */
const MAX_VERSIONS = 20_000;

/** As much of a long text is shown. */
const MAX_TEXT = 300;

/** A section with the versions of the asset's name; `undefined` if it has but one. */
export async function versionsOf(
  asset: JsonObject,
  reference: string,
): Promise<HTMLElement | undefined> {
  const versions = await listVersions(text(asset.asset_name));
  if (versions.length < 2) return undefined;
  return await new Comparison(asset, reference, versions).show();
}

/** The versions of a name, oldest first: their URIs, ids and versions alone. */
async function listVersions(name: string): Promise<JsonObject[]> {
  const found: JsonObject[] = [];
  let cursor: string | undefined;
  do {
    const query = new URLSearchParams({
      limit: String(PAGE),
      include: "id",
      fields: "asset_uri,asset_id,asset_version",
    });
    if (cursor !== undefined) query.set("cursor", cursor);
    const { body } = await post(`/assets?${query}`, { asset_name: name });
    found.push(...objects(body.data));
    cursor = text(body.next_cursor) || undefined;
  } while (cursor !== undefined && found.length < MAX_VERSIONS);
  return found;
}

class Comparison {
  /** Oldest first. */
  readonly #versions: JsonObject[];
  readonly #current: JsonObject;
  /** The assets that were read, by their links. */
  readonly #assets = new Map<string, JsonObject>();
  /** The links of what stands side by side, this asset first. */
  #columns: string[] = [];
  readonly #table = el("table", { class: "compare" });
  readonly #others = el("select", { id: "version-choice" });
  readonly #line = el("p", { class: "muted" });

  constructor(asset: JsonObject, reference: string, versions: JsonObject[]) {
    const here = versions.find((one) => sameAsset(one, asset, reference));
    this.#versions = versions.filter((one) => one !== here);
    this.#current = here ?? asset;
    this.#assets.set(assetLink(this.#current), asset);
  }

  async show(): Promise<HTMLElement> {
    const isNarrow = matchMedia("(max-width: 48rem)").matches;
    const count = isNarrow ? FIRST_COLUMNS.narrow : FIRST_COLUMNS.wide;
    const newest = this.#versions.slice(1 - count).reverse().map(assetLink);
    this.#columns = [assetLink(this.#current), ...newest];
    await this.#draw();
    const differences = el("input", {
      type: "checkbox",
      id: "only-differences",
    });
    differences.addEventListener("change", () => {
      this.#table.classList.toggle("only-differences", differences.checked);
    });
    return el(
      "section",
      { id: "versions" },
      el("h2", {}, "Versions of this name"),
      this.#line,
      el(
        "div",
        { class: "compare-tools" },
        el(
          "label",
          {},
          el("span", {}, "Another version, newest first"),
          this.#others,
        ),
        el("button", {
          type: "button",
          onclick: () => this.#add(this.#others.value),
        }, "Compare"),
        el("label", { class: "check" }, differences, " Differences only"),
      ),
      el(
        "div",
        {
          class: "scroll",
          tabindex: 0,
          role: "region",
          "aria-label": "Versions side by side",
        },
        this.#table,
      ),
    );
  }

  /** Puts a version beside this one. */
  async #add(link: string): Promise<void> {
    const [current = "", ...others] = this.#columns;
    if (link === "") return;
    await attempt(async () => {
      await this.#asset(link);
      this.#columns = [current, link, ...others];
      await this.#draw();
    });
  }

  async #remove(link: string): Promise<void> {
    this.#columns = this.#columns.filter((one) => one !== link);
    await attempt(() => this.#draw());
    this.#others.focus();
  }

  async #draw(): Promise<void> {
    const assets = await Promise.all(
      this.#columns.map((link) => this.#asset(link)),
    );
    const columns = assets.map(valuesOf);
    const names = new Set(columns.flatMap((column) => [...column.keys()]));
    this.#table.replaceChildren(
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          el("td", {}),
          ...assets.map((one, n) => this.#heading(one, n)),
        ),
      ),
      el("tbody", {}, ...[...names].map((name) => comparedRow(name, columns))),
    );
    const hidden = this.#versions.filter((one) => !this.#columns.includes(assetLink(one))).reverse();
    this.#others.replaceChildren(
      ...hidden.map((one) => el("option", { value: assetLink(one) }, versionName(one))),
    );
    this.#others.disabled = hidden.length === 0;
    const line = `${this.#columns.length} of ${this.#versions.length + 1} side by side`;
    this.#line.textContent = line;
    announce(line);
  }

  async #asset(link: string): Promise<JsonObject> {
    const known = this.#assets.get(link);
    if (known) return known;
    const { body } = await ask(link.slice(1));
    const asset = object(body.data);
    this.#assets.set(link, asset);
    return asset;
  }

  #heading(asset: JsonObject, n: number): HTMLTableCellElement {
    const name = versionName(asset);
    if (n === 0) return el("th", { scope: "col" }, `${name} (this)`);
    const link = this.#columns[n] ?? "";
    const leaveOut = () => this.#remove(link);
    return el(
      "th",
      { scope: "col" },
      el("a", { href: link }, name),
      el(
        "button",
        {
          type: "button",
          class: "small",
          "aria-label": `Leave out ${name}`,
          onclick: leaveOut,
        },
        "×",
      ),
    );
  }
}

function sameAsset(
  one: JsonObject,
  asset: JsonObject,
  reference: string,
): boolean {
  const uri = text(asset.asset_uri);
  return uri === "" ? text(one.id) === reference : text(one.asset_uri) === uri;
}

function versionName(asset: JsonObject): string {
  return versionText(asset) || "no version";
}

/** What is compared of an asset, by its name. */
function valuesOf(asset: JsonObject): Map<string, string> {
  const { file_size, file_type, sha256 } = object(asset.asset_file_info);
  return new Map([
    ["Size", sizeText(file_size)],
    ["Type", text(file_type)],
    ["SHA-256", text(sha256).slice(0, 12)],
    [
      "Tags",
      Array.isArray(asset.asset_tags) ? asset.asset_tags.join(", ") : "",
    ],
    ...[...leaves(asset.asset_metadata ?? {})].filter(([path]) => path !== ""),
  ]);
}

/** A dotted path, to be broken behind its dots. */
function breakable(path: string): (Node | string)[] {
  return path.split(".").flatMap((part, n) => n === 0 ? [part] : [".", el("wbr"), part]);
}

function comparedRow(
  name: string,
  columns: Map<string, string>[],
): HTMLTableRowElement {
  const values = columns.map((column) => column.get(name) ?? "");
  const differs = new Set(values).size > 1;
  return el(
    "tr",
    { class: differs && "differs" },
    el("th", { scope: "row" }, ...breakable(name), differs ? " ≠" : ""),
    ...values.map((value) =>
      el(
        "td",
        {},
        value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value,
      )
    ),
  );
}
