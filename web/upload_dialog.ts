/** The dialog that uploads files: chosen, or dropped anywhere on the page. */
import { sentenceOf } from "./api.ts";
import { metadataOf, tagsOf } from "./asset_editor.ts";
import { byId, debounced, el, sizeText } from "./dom.ts";
import { chosenFiles, droppedFiles } from "./dropped_files.ts";
import { type JsonObject, object, text } from "./json.ts";
import { discard } from "./tus.ts";
import { type ChosenFile, keyOf, unfinishedOf, unfinishedUploads } from "./unfinished.ts";
import { UploadLine } from "./upload_line.ts";

/** Makes the dialog work. `onChange` is called when assets have been uploaded. */
export function setUpUpload(onChange: () => Promise<void>): void {
  const dialog = byId("upload-dialog", HTMLDialogElement);
  const input = byId("upload-files", HTMLInputElement);
  const lines: UploadLine[] = [];
  const changed = debounced(() => onChange(), 500);
  let chosen: ChosenFile[] = [];
  /** Files go up one after the other. */
  let queue = Promise.resolve();
  const choose = (files: ChosenFile[]) => {
    chosen = files;
    byId("upload-problem", HTMLElement).textContent = "";
    showChosen(files);
  };
  const open = () => {
    showUnfinished(lines);
    if (!dialog.open) dialog.showModal();
  };
  const show = (line: UploadLine) => {
    if (line.state === "done") changed();
    if (line.state === "cancelled") lines.splice(lines.indexOf(line), 1);
    showOverall(lines);
  };
  byId("upload-button", HTMLButtonElement).addEventListener("click", open);
  byId("upload-close", HTMLButtonElement).addEventListener(
    "click",
    () => dialog.close(),
  );
  input.addEventListener("change", () => choose(chosenFiles(input.files)));
  setUpDrop(async (drop) => {
    open();
    choose(await droppedFiles(drop));
  });
  byId("upload-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    const problem = byId("upload-problem", HTMLElement);
    problem.textContent = chosen.length === 0 ? "Choose a file first." : "";
    let begun: UploadLine[];
    try {
      const options = { onChange: show, onLeave: () => dialog.close() };
      const underWay = new Set(lines.filter(isUnderWay).map(({ key }) => key));
      const twice = chosen.find((one) => underWay.has(keyOf(one)));
      if (twice) throw new Error(`${twice.path} is going up already.`);
      begun = withMetadata(chosen).map((one) => new UploadLine({ ...one, ...options }));
    } catch (error) {
      problem.textContent = sentenceOf(error);
      return;
    }
    if (begun.length === 0) return;
    lines.push(...begun);
    byId("uploads", HTMLElement).append(...begun.map(({ element }) => element));
    begun[0]?.element.scrollIntoView({ block: "nearest" });
    for (const line of begun) queue = queue.then(() => line.run());
    input.value = "";
    choose([]);
    showUnfinished(lines);
  });
  addEventListener("beforeunload", (event) => {
    if (lines.some(isUnderWay)) {
      event.preventDefault();
    }
  });
}

function setUpDrop(onDrop: (drop: DataTransfer | null) => Promise<void>): void {
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  // Both are to be cancelled: an element that moves under the pointer gets dragenter alone (HTML Standard, drag-and-drop processing model).
  for (const type of ["dragenter", "dragover"] as const) {
    document.addEventListener(type, (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      document.body.classList.add("dropping");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) {
      document.body.classList.remove("dropping");
    }
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    document.body.classList.remove("dropping");
    onDrop(event.dataTransfer);
  });
}

/** Says what was chosen. What was begun before is to go on as it was begun. */
function showChosen(chosen: ChosenFile[]): void {
  const [first] = chosen;
  const isOne = chosen.length === 1;
  const name = byId("upload-name", HTMLInputElement);
  const digest = byId("upload-sha256", HTMLInputElement);
  const unfinished = chosen.flatMap((one) => unfinishedOf(one) ?? []);
  const [begun] = unfinished;
  name.value = isOne && first ? first.path : "";
  digest.value = "";
  if (begun) fillIn(begun.metadata, isOne);
  // Several files are named by their own names.
  for (const box of [name, digest]) box.disabled = chosen.length > 1;
  const sizeBytes = chosen.reduce((sum, { file }) => sum + file.size, 0);
  const what = isOne ? first?.path ?? "" : `${chosen.length} files`;
  const goesOn = begun === undefined
    ? ""
    : isOne
    ? ` It goes on at ${sizeText(begun.sentBytes)}.`
    : ` ${unfinished.length} of them go on where they were.`;
  byId("upload-chosen", HTMLElement).textContent = chosen.length === 0
    ? ""
    : `${what}, ${sizeText(sizeBytes)}.${goesOn}`;
}

function fillIn(metadata: JsonObject, hasName: boolean): void {
  const { version, tag } = object(metadata.asset_version);
  const value = (id: string, typed: string) => byId(id, HTMLInputElement).value = typed;
  if (hasName) value("upload-name", text(metadata.asset_name));
  value("upload-version", text(version));
  value("upload-tag", text(tag));
  value(
    "upload-tags",
    Array.isArray(metadata.asset_tags) ? metadata.asset_tags.join(", ") : "",
  );
  value("upload-sha256", text(object(metadata.asset_file_info).sha256));
  const own = object(metadata.asset_metadata);
  byId("upload-metadata", HTMLTextAreaElement).value = Object.keys(own).length === 0
    ? ""
    : JSON.stringify(own, null, 2);
}

/** The chosen files with their metadata, out of the form. Throws with a sentence. */
function withMetadata(
  chosen: ChosenFile[],
): { chosen: ChosenFile; metadata: JsonObject }[] {
  const typed = (id: string) => byId(id, HTMLInputElement).value.trim();
  const sha256 = typed("upload-sha256");
  const common = {
    asset_version: {
      version: typed("upload-version"),
      tag: typed("upload-tag"),
    },
    asset_tags: tagsOf(typed("upload-tags")),
    asset_metadata: metadataOf(
      byId("upload-metadata", HTMLTextAreaElement).value,
    ),
  };
  const isOne = chosen.length === 1;
  return chosen.map((one) => ({
    chosen: one,
    metadata: {
      asset_name: isOne ? typed("upload-name") || one.path : one.path,
      ...common,
      ...isOne && sha256 !== "" ? { asset_file_info: { sha256 } } : {},
    },
  }));
}

/** Lists what was begun before and is not under way. */
function showUnfinished(lines: UploadLine[]): void {
  const paths = new Set(lines.map(({ path }) => path));
  const waiting = unfinishedUploads().filter(({ path }) => !paths.has(path));
  byId("unfinished", HTMLElement).hidden = waiting.length === 0;
  byId("unfinished-list", HTMLElement).replaceChildren(
    ...waiting.map((upload) => {
      const { path, sentBytes, sizeBytes } = upload;
      const forget = async () => {
        await discard(upload).catch((error) => {
          byId("upload-problem", HTMLElement).textContent = sentenceOf(error);
        });
        showUnfinished(lines);
        byId("upload-files", HTMLInputElement).focus();
      };
      return el(
        "li",
        {},
        el(
          "div",
          {},
          el("strong", { class: "clamp" }, path),
          ` ${sizeText(sentBytes)} of ${sizeText(sizeBytes)}`,
        ),
        el("button", {
          type: "button",
          class: "quiet",
          "aria-label": `Discard: ${path}`,
          onclick: forget,
        }, "Discard"),
      );
    }),
  );
}

function isUnderWay({ state }: UploadLine): boolean {
  return state === "running" || state === "waiting";
}

/** Says on the page how the uploads go, for when the dialog is closed. */
function showOverall(lines: UploadLine[]): void {
  const under = lines.filter(isUnderWay);
  const sum = (of: "sentBytes" | "sizeBytes") => under.reduce((bytes, line) => bytes + line[of], 0);
  const percent = Math.floor(
    100 * sum("sentBytes") / Math.max(sum("sizeBytes"), 1),
  );
  byId("upload-button", HTMLButtonElement).textContent = under.length === 0
    ? "Upload"
    : `Uploading ${under.length === 1 ? "" : `${under.length} files, `}${percent} %`;
  byId("uploads", HTMLElement).hidden = lines.length === 0;
}
