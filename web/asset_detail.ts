/** One asset: what is known of it, its other versions, and what can be done with it. */
import {
  address,
  ask,
  attempt,
  authorization,
  type JsonObject,
  object,
  objects,
  post,
  SERVER,
  text,
  token,
} from "./api.ts";
import { assetLink } from "./asset_list.ts";
import { announce, byId, copyButton, el, sizeText } from "./dom.ts";
import { openEditor } from "./asset_editor.ts";
import { chips } from "./search.ts";
import { leaves, tree } from "./tree.ts";

/** As many versions stand side by side. */
const MAX_VERSIONS = 6;

/** Files above this are not fetched into the browser's memory; `curl` does better. */
const MAX_FETCHED_BYTES = 500_000_000;

/** Shows an asset. */
export async function showAsset(reference: string, onChange: () => Promise<void>): Promise<void> {
  await attempt(async () => {
    const path = `/asset/${encodeURIComponent(reference)}`;
    const { body, headers } = await ask(path);
    const asset = object(body.data);
    const etag = headers.get("ETag") ?? "";
    const title = el("h1", { tabindex: -1 }, text(asset.asset_name));
    const uri = el("p", { class: "uri" }, el("code", {}, text(asset.asset_uri) || reference));
    const actions = el(
      "div",
      { class: "actions" },
      ...download(asset),
      el("button", { type: "button", onclick: () => openEditor(path, asset, etag, onChange) }, "Edit"),
      el("button", {
        type: "button",
        class: "danger",
        onclick: () => confirmDelete(path, asset, etag, onChange),
      }, "Delete"),
    );
    byId("detail", HTMLElement).replaceChildren(
      el("p", {}, el("a", { href: "#/" }, "← All assets")),
      el("div", { class: "heading" }, el("div", {}, title, uri), actions),
      el("section", { "aria-label": "Facts" }, facts(asset)),
      section("Metadata", tree(asset.asset_metadata ?? {})),
      section("From a terminal", commands(asset, reference)),
      el("div", { id: "versions" }),
    );
    title.focus();
    await showVersions(asset);
  });
}

function section(title: string, ...content: Node[]): HTMLElement {
  return el("section", {}, el("h2", {}, title), ...content);
}

function facts(asset: JsonObject): HTMLElement {
  const { version, tag } = object(asset.asset_version);
  const { file_name, file_type, file_size, sha256, ...more } = object(asset.asset_file_info);
  const rows: [string, Node | string][] = [
    ["Version", text(version)],
    ["Tag", text(tag)],
    ["Tags", chips(asset.asset_tags)],
    ["File", text(file_name)],
    ["Type", text(file_type)],
    [
      "Size",
      typeof file_size === "number" ? `${sizeText(file_size)} (${file_size.toLocaleString("en")} bytes)` : "",
    ],
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

/** A link to the file. A link cannot carry a token, so with one the file is fetched. */
function download(asset: JsonObject): HTMLElement[] {
  const url = text(asset.asset_public_url);
  if (!/^https?:/i.test(url)) return [];
  const { file_name, file_size } = object(asset.asset_file_info);
  const path = `/asset-object/${encodeURIComponent(text(asset.asset_id))}`;
  const isHere = new URL(url).pathname.endsWith(path) && text(asset.asset_id) !== "";
  if (!isHere) return [el("a", { class: "button", href: url, rel: "noreferrer noopener" }, "Open")];
  if (token() === "") {
    return [el("a", { class: "button", href: address(path), download: text(file_name) }, "Download")];
  }
  const fetched = async () => {
    if (Number(file_size) > MAX_FETCHED_BYTES) {
      throw new Error("The file is too large for the browser; use the command below.");
    }
    const response = await fetch(address(path), { headers: authorization() });
    if (!response.ok) throw new Error(`The download was answered with ${response.status}.`);
    const blob = URL.createObjectURL(await response.blob());
    el("a", { href: blob, download: text(file_name) }).click();
    setTimeout(() => URL.revokeObjectURL(blob), 60_000);
  };
  return [el("button", { type: "button", onclick: () => attempt(fetched) }, "Download")];
}

function commands(asset: JsonObject, reference: string): HTMLElement {
  const server = SERVER.href.replace(/\/$/, "");
  const secret = token() === "" ? "" : ' -H "Authorization: Bearer $ASSETS_TOKEN"';
  const curl = `curl${secret} ${quoted(address(`/asset/${encodeURIComponent(reference)}`))}`;
  const pull = `assets-server pull ${quoted(reference)} --server ${quoted(server)}`;
  const lines = [["Copy curl", curl], ...text(asset.asset_public_url) === "" ? [] : [["Copy pull", pull]]];
  return el(
    "div",
    { class: "commands" },
    ...lines.map(([label = "", command = ""]) =>
      el(
        "div",
        {},
        el("pre", { tabindex: 0, "aria-label": command }, el("code", {}, command)),
        copyButton(label, () => command),
      )
    ),
  );
}

/** For a shell. */
function quoted(word: string): string {
  return /^[\w:/.@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function confirmDelete(path: string, asset: JsonObject, etag: string, onChange: () => Promise<void>): void {
  const dialog = byId("delete-dialog", HTMLDialogElement);
  byId("delete-name", HTMLElement).textContent = text(asset.asset_uri) || text(asset.asset_name);
  byId("delete-form", HTMLFormElement).onsubmit = async (event) => {
    event.preventDefault();
    dialog.close();
    await attempt(async () => {
      await ask(path, { method: "DELETE", headers: etag === "" ? {} : { "If-Match": etag } });
      location.hash = "#/";
      await onChange();
      announce("Deleted.");
    });
  };
  dialog.showModal();
}

async function showVersions(asset: JsonObject): Promise<void> {
  const { body } = await post(`/assets?limit=${MAX_VERSIONS}&include=id`, {
    asset_name: text(asset.asset_name),
  });
  const versions = objects(body.data);
  if (versions.length < 2) return;
  const columns = versions.map((one) => {
    const { file_size, file_type, sha256 } = object(one.asset_file_info);
    const tags = Array.isArray(one.asset_tags) ? one.asset_tags.join(", ") : "";
    return new Map([
      ["Size", sizeText(file_size)],
      ["Type", text(file_type)],
      ["SHA-256", text(sha256).slice(0, 12)],
      ["Tags", tags],
      ...[...leaves(one.asset_metadata ?? {})].filter(([path]) => path !== ""),
    ]);
  });
  const names = new Set(columns.flatMap((column) => [...column.keys()]));
  const head = el("tr", {}, el("td", {}), ...versions.map((one) => heading(one, asset)));
  const rows = [...names].map((name) => {
    const values = columns.map((column) => column.get(name) ?? "");
    const differs = new Set(values).size > 1;
    return el(
      "tr",
      { class: differs && "differs" },
      el("th", { scope: "row" }, differs ? `${name} ≠` : name),
      ...values.map((value) => el("td", {}, value)),
    );
  });
  const table = el("table", { class: "compare" }, el("thead", {}, head), el("tbody", {}, ...rows));
  const region = el("div", {
    class: "scroll",
    tabindex: 0,
    role: "region",
    "aria-label": "Versions side by side",
  }, table);
  byId("versions", HTMLElement).replaceChildren(section("Versions of this name", region));
}

function heading(version: JsonObject, current: JsonObject): HTMLTableCellElement {
  const { version: number, tag } = object(version.asset_version);
  const name = [text(number), text(tag)].filter((part) => part !== "").join("-") || "no version";
  const isCurrent = version.asset_uri === current.asset_uri && version.asset_id === current.asset_id;
  return el(
    "th",
    { scope: "col" },
    isCurrent ? `${name} (this)` : el("a", { href: assetLink(version) }, name),
  );
}
