/** The dialog that uploads files: chosen, or dropped anywhere on the page. */
import { ApiError, askForToken, type JsonObject } from "./api.ts";
import { metadataOf, tagsOf } from "./asset_editor.ts";
import { announce, byId, el, sizeText } from "./dom.ts";
import { upload } from "./tus.ts";

/** Makes the dialog work. `onChange` is called after each file that is there. */
export function setUpUpload(onChange: () => Promise<void>): void {
  const dialog = byId("upload-dialog", HTMLDialogElement);
  const input = byId("upload-files", HTMLInputElement);
  const name = byId("upload-name", HTMLInputElement);
  let chosen: File[] = [];
  const choose = (files: Iterable<File> | null | undefined) => {
    chosen = [...files ?? []];
    const sizeBytes = chosen.reduce((sum, { size }) => sum + size, 0);
    byId("upload-chosen", HTMLElement).textContent = chosen.length === 0
      ? ""
      : `${chosen.length === 1 ? chosen[0]?.name : `${chosen.length} files`}, ${sizeText(sizeBytes)}`;
    // Several files are named by their own names.
    name.disabled = chosen.length > 1;
    name.value = chosen.length === 1 ? chosen[0]?.name ?? "" : "";
  };
  byId("upload-button", HTMLButtonElement).addEventListener("click", () => dialog.showModal());
  byId("upload-close", HTMLButtonElement).addEventListener("click", () => dialog.close());
  input.addEventListener("change", () => choose(input.files));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    choose(event.dataTransfer?.files);
    if (!dialog.open) dialog.showModal();
  });
  byId("upload-form", HTMLFormElement).addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = byId("upload-problem", HTMLElement);
    problem.textContent = chosen.length === 0 ? "Choose a file first." : "";
    try {
      const common = commonMetadata();
      for (const file of chosen.splice(0)) {
        await uploadOne(file, { asset_name: name.value || file.name, ...common }, onChange);
      }
      input.value = "";
      choose([]);
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
    }
  });
}

function commonMetadata(): JsonObject {
  return {
    asset_version: {
      version: byId("upload-version", HTMLInputElement).value,
      tag: byId("upload-tag", HTMLInputElement).value,
    },
    asset_tags: tagsOf(byId("upload-tags", HTMLInputElement).value),
    asset_metadata: metadataOf(byId("upload-metadata", HTMLTextAreaElement).value),
  };
}

/** Uploads one file, with a line that tells how it goes. */
async function uploadOne(file: File, metadata: JsonObject, onChange: () => Promise<void>): Promise<void> {
  const bar = el("progress", {
    max: Math.max(file.size, 1),
    value: 0,
    "aria-label": `Upload of ${file.name}`,
  });
  const state = el("span", { class: "muted" }, "waiting");
  const button = el("button", { type: "button", class: "quiet" }, "Pause");
  const line = el("li", {}, el("strong", {}, file.name), " ", state, bar, button);
  byId("uploads", HTMLElement).append(line);
  let pause = new AbortController();
  let startedAt = 0;
  const run = async () => {
    pause = new AbortController();
    button.textContent = "Pause";
    startedAt = performance.now();
    let from: number | undefined;
    try {
      const uri = await upload({
        file,
        metadata,
        signal: pause.signal,
        onProgress: (sent) => {
          from ??= sent;
          bar.value = sent;
          state.textContent = rate(sent, file.size, from, startedAt);
        },
      });
      state.textContent = "done";
      bar.value = bar.max;
      button.replaceWith(
        el("a", { href: `#/asset/${encodeURIComponent(uri)}`, onclick: () => closeDialog() }, "Show"),
      );
      announce(`${file.name} is uploaded.`);
      await onChange();
    } catch (error) {
      button.textContent = "Resume";
      state.textContent = pause.signal.aborted
        ? "paused"
        : error instanceof Error
        ? error.message
        : String(error);
      announce(`${file.name}: ${state.textContent}`);
      if (error instanceof ApiError && error.status === 401) askForToken(error.message);
    }
  };
  button.addEventListener("click", () => {
    if (button.textContent === "Pause") pause.abort();
    else run();
  });
  await run();
}

function closeDialog(): void {
  byId("upload-dialog", HTMLDialogElement).close();
}

function rate(sent: number, size: number, from: number, startedAt: number): string {
  const seconds = (performance.now() - startedAt) / 1000;
  const speed = (sent - from) / Math.max(seconds, 0.001);
  const left = speed > 0 ? `, ${Math.ceil((size - sent) / speed)} s left` : "";
  return `${sizeText(sent)} of ${sizeText(size)}${left}`;
}
