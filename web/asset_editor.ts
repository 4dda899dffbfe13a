/** The dialog in which tags and metadata are changed. What somebody else changed meanwhile is not overwritten. */
import { ApiError, ask, askForTokenIfRefused, sentenceOf } from "./api.ts";
import type { AssetChange } from "./asset_detail.ts";
import { announce, byId } from "./dom.ts";
import type { Json, JsonObject } from "./json.ts";

/** Opens it for an asset as it was read. */
export function openEditor({ path, asset, etag, onChange }: AssetChange): void {
  const dialog = byId("edit-dialog", HTMLDialogElement);
  const tags = byId("edit-tags", HTMLInputElement);
  const metadata = byId("edit-metadata", HTMLTextAreaElement);
  const problem = byId("edit-problem", HTMLElement);
  tags.value = tagsText(asset.asset_tags);
  metadata.value = JSON.stringify(asset.asset_metadata ?? {}, null, 2);
  const before = { tags: tags.value, metadata: metadata.value };
  problem.textContent = "";
  byId("edit-form", HTMLFormElement).onsubmit = async (event) => {
    event.preventDefault();
    try {
      const changes: JsonObject = {};
      // What was not touched is not written: what others make of it stays.
      if (tags.value !== before.tags) changes.asset_tags = tagsOf(tags.value);
      if (metadata.value !== before.metadata) changes.asset_metadata = metadataOf(metadata.value);
      if (Object.keys(changes).length === 0) return dialog.close();
      const headers: Record<string, string> = {
        "Content-Type": "application/json",
      };
      if (etag !== "") headers["If-Match"] = etag;
      await ask(path, {
        method: "PUT",
        body: JSON.stringify(changes),
        headers,
      });
      dialog.close();
      await onChange();
      announce("Saved.");
    } catch (error) {
      problem.textContent = sentence(error);
      askForTokenIfRefused(error);
    }
  };
  dialog.showModal();
}

function sentence(error: unknown): string {
  if (error instanceof ApiError && error.status === 412) {
    return "Somebody else has changed it meanwhile. Close this, look at it again, and repeat your change.";
  }
  return sentenceOf(error);
}

/** Tags as they are typed: between commas, or if that would change them, as a list in JSON. */
function tagsText(tags: Json | undefined): string {
  if (!Array.isArray(tags)) return "";
  const text = tags.join(", ");
  if (text.trimStart().startsWith("[")) return JSON.stringify(tags);
  const isSame = JSON.stringify(tagsOf(text)) === JSON.stringify(tags) && !/[\r\n]/.test(text);
  return isSame ? text : JSON.stringify(tags);
}

/** Words between commas, or a list in JSON. Throws with a sentence. */
export function tagsOf(typed: string): Json[] {
  if (!typed.trimStart().startsWith("[")) {
    return typed.split(",").map((tag) => tag.trim()).filter((tag) => tag !== "");
  }
  const tags = parsed(typed, "tags");
  if (!Array.isArray(tags)) throw new Error('The tags must be a list, such as ["one", "two"].');
  return tags;
}

/** Metadata as typed; nothing is an empty object. Throws with a sentence. */
export function metadataOf(typed: string): Json {
  return typed.trim() === "" ? {} : parsed(typed, "metadata");
}

function parsed(typed: string, what: string): Json {
  try {
    return JSON.parse(typed);
  } catch (error) {
    throw new Error(`The ${what} are not JSON: ${sentenceOf(error)}`);
  }
}
