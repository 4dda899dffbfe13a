/** The page of an Assets DB. */
import { setUpToken } from "./api.ts";
import { showAsset } from "./asset_detail.ts";
import { setUpAssetList } from "./asset_list.ts";
import { byId, setUpShell } from "./dom.ts";
import { isSearchAddress } from "./search_state.ts";
import { setUpUpload } from "./upload_dialog.ts";

const search = setUpAssetList();

/** Where the list was left: its address, how far it was scrolled, and which asset was opened. */
let left = { address: "#/", scrollY: 0, opened: "" };

/** Which asset the address is of. */
function reference(): string | undefined {
  const found = /^#\/asset\/(.+)$/.exec(location.hash)?.[1];
  try {
    return found && decodeURIComponent(found);
  } catch {
    return found;
  }
}

/** Shows what the address says: the list, or one asset. */
async function navigate(): Promise<void> {
  const asset = reference();
  byId("browse", HTMLElement).hidden = asset !== undefined;
  byId("detail", HTMLElement).hidden = asset === undefined;
  if (asset === undefined) {
    document.title = "Assets";
    return;
  }
  await showAsset(asset, left.address, async () => {
    await search.again();
    await navigate();
  });
}

/** Back in the list: where it was, with the focus on what was opened. */
async function returnToList(): Promise<void> {
  await search.followAddress();
  scrollTo(0, left.scrollY);
  const link = document.querySelector<HTMLElement>(
    `#rows a[href="${CSS.escape(left.opened)}"]`,
  );
  (link ?? byId("search", HTMLInputElement)).focus({ preventScroll: true });
}

async function refresh(): Promise<void> {
  await search.again();
  await navigate();
}

addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("#rows a") : null;
  if (link) {
    left = {
      address: location.hash,
      scrollY,
      opened: link.getAttribute("href") ?? "",
    };
  }
}, { capture: true });
addEventListener("hashchange", async () => {
  const cameFromAsset = byId("browse", HTMLElement).hidden;
  await navigate();
  if (reference() !== undefined || !isSearchAddress(location.hash)) return;
  if (cameFromAsset) await returnToList();
  else await search.followAddress();
});
setUpToken(refresh);
setUpUpload(search.again);
setUpShell();
await search.start();
await navigate();
