/** One asset: what is known of it, its other versions, and what can be done with it. */
import { address, ApiError, ask, attempt, authorization, SERVER, token } from "./api.ts";
import { openEditor } from "./asset_editor.ts";
import { announce, byId, copyButton, el, sizeText } from "./dom.ts";
import { type JsonObject, object, text } from "./json.ts";
import { chips } from "./search.ts";
import { tree } from "./tree.ts";
import { versionsOf } from "./versions.ts";

/** Files above this are not fetched into the browser's memory; `curl` does better. */
const MAX_FETCHED_BYTES = 500_000_000;

/** Counts the assets that were asked for: an answer that comes late is for nobody. */
let asked = 0;

/**
 * Shows an asset.
 *
 * @param listAddress where the way back leads
 */
export async function showAsset(
  reference: string,
  listAddress: string,
  onChange: () => Promise<void>,
): Promise<void> {
  const mine = ++asked;
  const back = el("p", {}, el("a", { href: listAddress }, "← All assets"));
  const place = byId("detail", HTMLElement);
  if (place.dataset.reference !== reference) {
    place.replaceChildren(back, el("p", { class: "muted" }, "Loading…"));
  }
  place.dataset.reference = reference;
  await attempt(async () => {
    const path = `/asset/${encodeURIComponent(reference)}`;
    const answer = await ask(path).catch((error) => {
      if (error instanceof ApiError && error.status === 404) {
        place.replaceChildren(back, missing());
      }
      throw error;
    });
    if (mine !== asked) return;
    const asset = object(answer.body.data);
    const etag = answer.headers.get("ETag") ?? "";
    const change = { path, asset, etag, listAddress, onChange };
    const title = el("h1", { tabindex: -1 }, text(asset.asset_name));
    const uri = el(
      "p",
      { class: "uri" },
      el("code", {}, text(asset.asset_uri) || reference),
    );
    const actions = el(
      "div",
      { class: "actions" },
      ...download(asset),
      el(
        "button",
        { type: "button", onclick: () => openEditor(change) },
        "Edit",
      ),
      el("button", {
        type: "button",
        class: "danger",
        onclick: () => confirmDelete(change),
      }, "Delete"),
    );
    place.replaceChildren(
      back,
      el("div", { class: "heading" }, el("div", {}, title, uri), actions),
      el("section", { "aria-label": "Facts" }, facts(asset)),
      section("Metadata", tree(asset.asset_metadata ?? {})),
      section("From a terminal", commands(asset, reference)),
    );
    document.title = `${text(asset.asset_uri) || text(asset.asset_name)} · Assets`;
    title.focus();
    const versions = await versionsOf(asset, reference);
    if (versions && mine === asked) place.append(versions);
  });
}

/** What a change of an asset needs. */
export interface AssetChange {
  path: string;
  /** As it was read, with the tag of that reading. */
  asset: JsonObject;
  etag: string;
  /** Where the list is that it was opened from. */
  listAddress: string;
  onChange: () => Promise<void>;
}

function missing(): HTMLElement {
  return el(
    "div",
    { class: "empty" },
    el("h1", {}, "No such asset"),
    el("p", { class: "muted" }, "It may have been renamed or deleted."),
  );
}

function section(title: string, ...content: Node[]): HTMLElement {
  return el("section", {}, el("h2", {}, title), ...content);
}

function facts(asset: JsonObject): HTMLElement {
  const { version, tag } = object(asset.asset_version);
  const { file_name, file_type, file_size, sha256, ...more } = object(
    asset.asset_file_info,
  );
  const rows: [string, Node | string][] = [
    ["Version", text(version)],
    ["Tag", text(tag)],
    ["Tags", chips(asset.asset_tags, Infinity, tagLink)],
    ["File", text(file_name)],
    ["Type", text(file_type)],
    ["Size", exactSize(file_size)],
    ["SHA-256", text(sha256)],
    ["Where", text(asset.asset_public_url)],
    ["Id", text(asset.asset_id)],
    ["Assets DB", text(asset.assets_db_id)],
  ];
  const list = el("dl", { class: "facts" });
  for (const [name, value] of rows) {
    if (value === "") continue;
    list.append(el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  }
  if (Object.keys(more).length > 0) {
    list.append(el("div", {}, el("dt", {}, "More"), el("dd", {}, tree(more))));
  }
  return list;
}

/** Leads to all assets with the tag. */
function tagLink(tag: string): HTMLElement {
  const filter = new URLSearchParams({ filter: JSON.stringify({ asset_tags: tag }) });
  return el("a", { class: "chip", href: `#/?${filter}`, title: `All with the tag ${tag}` }, tag);
}

function exactSize(bytes: unknown): string {
  if (typeof bytes !== "number" || bytes < 1000) return sizeText(bytes);
  return `${sizeText(bytes)} (${bytes.toLocaleString("en")} bytes)`;
}

/** A link to the file. A link cannot carry a token, so with one the file is fetched. */
function download(asset: JsonObject): HTMLElement[] {
  const url = text(asset.asset_public_url);
  if (!/^https?:/i.test(url)) return [];
  const { file_name, file_size } = object(asset.asset_file_info);
  const path = `/asset-object/${encodeURIComponent(text(asset.asset_id))}`;
  const isHere = new URL(url).pathname.endsWith(path) &&
    text(asset.asset_id) !== "";
  if (!isHere) {
    return [
      el(
        "a",
        { class: "button", href: url, rel: "noreferrer noopener" },
        "Open",
      ),
    ];
  }
  if (token() === "") {
    return [
      el("a", {
        class: "button",
        href: address(path),
        download: text(file_name),
      }, "Download"),
    ];
  }
  const fetched = async () => {
    if (Number(file_size) > MAX_FETCHED_BYTES) {
      throw new Error(
        "The file is too large for the browser; use a command below.",
      );
    }
    const response = await fetch(address(path), {
      headers: authorization(),
      redirect: "manual",
    });
    if (response.type === "opaqueredirect") {
      throw new Error(
        "The file comes from another address, to which the page cannot go with a token; use a command below.",
      );
    }
    if (!response.ok) {
      throw new ApiError(
        `The download was answered with ${response.status}.`,
        response.status,
      );
    }
    const blob = URL.createObjectURL(await response.blob());
    el("a", { href: blob, download: text(file_name) }).click();
    setTimeout(() => URL.revokeObjectURL(blob), 60_000);
  };
  return [
    el(
      "button",
      { type: "button", onclick: () => attempt(fetched) },
      "Download",
    ),
  ];
}

function commands(asset: JsonObject, reference: string): HTMLElement {
  const server = SERVER.href.replace(/\/$/, "");
  const secret = token() === "" ? "" : ' -H "Authorization: Bearer $ASSETS_TOKEN"';
  const metadata = `curl${secret} ${quoted(address(`/asset/${encodeURIComponent(reference)}`))}`;
  const lines: [string, string][] = [["Copy curl of the metadata", metadata]];
  if (text(asset.asset_public_url) !== "") {
    const file = text(asset.asset_id) === "" ? quoted(text(asset.asset_public_url)) : quoted(
      address(`/asset-object/${encodeURIComponent(text(asset.asset_id))}`),
    );
    const name = quoted(
      `./${localName(object(asset.asset_file_info).file_name)}`,
    );
    const pull = `assets-server pull ${quoted(reference)} --server ${quoted(server)}`;
    lines.unshift(["Copy curl", `curl -fL${secret} -o ${name} ${file}`], [
      "Copy pull",
      pull,
    ]);
  }
  return el(
    "div",
    { class: "commands" },
    ...lines.map(([label, command]) =>
      el(
        "div",
        {},
        el(
          "pre",
          { tabindex: 0, "aria-label": command },
          el("code", {}, command),
        ),
        copyButton(label, () => command),
      )
    ),
  );
}

/** A name for a file in the folder that a command runs in, whatever the file was called. */
function localName(name: unknown): string {
  const last = typeof name === "string" ? name.split(/[/\\]/).at(-1) ?? "" : "";
  return last.replaceAll(/\p{C}/gu, "").replace(/^\.*/, "") || "file";
}

/** For a shell. */
function quoted(word: string): string {
  return /^[\w:/.@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function confirmDelete(
  { path, asset, etag, listAddress, onChange }: AssetChange,
): void {
  const dialog = byId("delete-dialog", HTMLDialogElement);
  byId("delete-name", HTMLElement).textContent = text(asset.asset_uri) ||
    text(asset.asset_name);
  byId("delete-form", HTMLFormElement).onsubmit = async (event) => {
    event.preventDefault();
    dialog.close();
    await attempt(async () => {
      await ask(path, {
        method: "DELETE",
        headers: etag === "" ? {} : { "If-Match": etag },
      });
      location.hash = listAddress;
      await onChange();
      announce("Deleted.");
    });
  };
  dialog.showModal();
}
