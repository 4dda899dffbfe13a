/** JSON as a tree that opens and closes. */
import { el } from "./dom.ts";
import { isObject, type Json } from "./json.ts";

/** Trees are open down to this level. */
const OPEN_LEVELS = 2;

/** A tree of a value. */
export function tree(value: Json, level = 0): HTMLElement {
  if (!Array.isArray(value) && !isObject(value)) return leaf(value);
  const entries = Array.isArray(value)
    ? value.map((one, index): [string, Json] => [String(index), one])
    : Object.entries(value);
  if (entries.length === 0) {
    return el(
      "span",
      { class: "muted" },
      Array.isArray(value) ? "empty list" : "empty",
    );
  }
  return el(
    "ul",
    { class: "tree" },
    ...entries.map(([key, one]) => branch(key, one, level)),
  );
}

function branch(key: string, value: Json, level: number): HTMLLIElement {
  const isLeaf = !Array.isArray(value) && !isObject(value);
  if (isLeaf) {
    return el("li", {}, el("span", { class: "key" }, key), " ", leaf(value));
  }
  const size = Array.isArray(value) ? value.length : Object.keys(value).length;
  const count = `${size} ${Array.isArray(value) ? "item" : "key"}${size === 1 ? "" : "s"}`;
  const summary = el(
    "summary",
    {},
    el("span", { class: "key" }, key),
    " ",
    el("span", { class: "muted" }, count),
  );
  return el(
    "li",
    {},
    el(
      "details",
      { open: level < OPEN_LEVELS },
      summary,
      tree(value, level + 1),
    ),
  );
}

function leaf(value: Json): HTMLElement {
  const kind = value === null ? "null" : typeof value;
  return el(
    "span",
    { class: `leaf leaf-${kind}` },
    typeof value === "string" ? value : JSON.stringify(value),
  );
}

/** Every leaf of a value under its dotted path. */
export function leaves(value: Json, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  if (isObject(value) && Object.keys(value).length > 0) {
    for (const [key, one] of Object.entries(value)) {
      for (
        const [inner, shown] of leaves(
          one,
          path === "" ? key : `${path}.${key}`,
        )
      ) found.set(inner, shown);
    }
  } else {found.set(
      path,
      typeof value === "string" ? value : JSON.stringify(value),
    );}
  return found;
}
