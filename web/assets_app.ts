/** The page of an Assets DB. */
import { setUpToken } from "./api.ts";
import { showAsset } from "./asset_detail.ts";
import { setUpAssetList } from "./asset_list.ts";
import { byId } from "./dom.ts";
import { setUpUpload } from "./upload_dialog.ts";

const search = setUpAssetList();

/** Shows what the address says: the list, or one asset. */
async function navigate(): Promise<void> {
  const reference = /^#\/asset\/(.+)$/.exec(location.hash)?.[1];
  byId("browse", HTMLElement).hidden = reference !== undefined;
  byId("detail", HTMLElement).hidden = reference === undefined;
  if (reference === undefined) return;
  await showAsset(decodeURIComponent(reference), async () => {
    await search();
    await navigate();
  });
}

async function refresh(): Promise<void> {
  await search();
  await navigate();
}

addEventListener("hashchange", async () => {
  await navigate();
  if (!byId("browse", HTMLElement).hidden) byId("search", HTMLInputElement).focus();
});
setUpToken(refresh);
setUpUpload(search);
for (const button of document.querySelectorAll<HTMLButtonElement>("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog")?.close());
}
await refresh();
