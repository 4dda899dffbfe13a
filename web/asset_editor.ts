/** The dialog in which tags and metadata are changed. What somebody else changed meanwhile is not overwritten. */
import { ApiError, ask, askForTokenIfRefused, sentenceOf } from "./api.ts";
import type { AssetChange } from "./asset_detail.ts";
import { announce, byId } from "./dom.ts";
import type { Json } from "./json.ts";

/** Opens it for an asset as it was read. */
export function openEditor({ path, asset, etag, onChange }: AssetChange): void {
  const dialog = byId("edit-dialog", HTMLDialogElement);
  const tags = byId("edit-tags", HTMLInputElement);
  const metadata = byId("edit-metadata", HTMLTextAreaElement);
  const problem = byId("edit-problem", HTMLElement);
  tags.value = Array.isArray(asset.asset_tags) ? asset.asset_tags.join(", ") : "";
  metadata.value = JSON.stringify(asset.asset_metadata ?? {}, null, 2);
  problem.textContent = "";
  byId("edit-form", HTMLFormElement).onsubmit = async (event) => {
    event.preventDefault();
    try {
      const changes = {
        asset_tags: tagsOf(tags.value),
        asset_metadata: metadataOf(metadata.value),
      };
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

/** Words between commas. */
export function tagsOf(typed: string): string[] {
  return typed.split(",").map((tag) => tag.trim()).filter((tag) => tag !== "");
}

/** Metadata as typed; nothing is an empty object. Throws with a sentence. */
export function metadataOf(typed: string): Json {
  if (typed.trim() === "") return {};
  try {
    return JSON.parse(typed);
  } catch (error) {
    throw new Error(
      `The metadata are not JSON: ${error instanceof Error ? error.message : error}`,
    );
  }
}
