/** @jsxImportSource hono/jsx */
/** The page of an Assets DB, as it is before its script fills it. */
import { Notices, Search, TokenDialog, Top } from "./parts.tsx";
import { documentText } from "./shell.tsx";

/** The page as HTML. */
export function assetsPage(): string {
  return documentText({
    title: "Assets",
    base: "",
    script: "assets.js",
    body: (
      <>
        <Top title="Assets">
          <button type="button" id="upload-button" class="primary">Upload</button>
        </Top>
        <main id="main" tabindex={-1}>
          <Notices />
          <div id="browse">
            <h1 class="hidden">Assets</h1>
            <Search caption="Assets" />
            <div id="empty" class="empty" hidden>
              <p>There is nothing to show.</p>
              <p class="muted">Drop files anywhere on this page to upload them.</p>
            </div>
          </div>
          <div id="detail" hidden></div>
        </main>
        <UploadDialog />
        <EditDialog />
        <dialog id="delete-dialog" aria-labelledby="delete-title">
          <form id="delete-form">
            <h2 id="delete-title">Delete this asset?</h2>
            <p>
              <code id="delete-name"></code> and its file will be gone.
            </p>
            <div class="actions">
              <button type="submit" class="danger">Delete</button>
              <button type="button" data-close autofocus>Keep it</button>
            </div>
          </form>
        </dialog>
        <TokenDialog />
      </>
    ),
  });
}

function UploadDialog() {
  return (
    <dialog id="upload-dialog" aria-labelledby="upload-title" class="wide">
      <form id="upload-form">
        <h2 id="upload-title">Upload</h2>
        <label class="drop">
          <span>Drop files here, or choose them</span>
          <input id="upload-files" type="file" multiple />
          <span id="upload-chosen" class="muted"></span>
        </label>
        <label>
          <span>Name</span>
          <input id="upload-name" autocomplete="off" />
        </label>
        <div class="columns">
          <label>
            <span>Version</span>
            <input id="upload-version" value="1.0" required />
          </label>
          <label>
            <span>Tag of the version</span>
            <input id="upload-tag" value="initial" required />
          </label>
        </div>
        <label>
          <span>Tags, separated by commas</span>
          <input id="upload-tags" autocomplete="off" />
        </label>
        <label>
          <span>Metadata, in JSON</span>
          <textarea id="upload-metadata" rows={3} spellcheck={false} placeholder='{"description": "…"}'>
          </textarea>
        </label>
        <p id="upload-problem" class="field-problem" role="alert"></p>
        <div class="actions">
          <button type="submit" class="primary">Upload</button>
          <button type="button" id="upload-close">Close</button>
        </div>
        <ul id="uploads" class="uploads" aria-label="Uploads"></ul>
      </form>
    </dialog>
  );
}

function EditDialog() {
  return (
    <dialog id="edit-dialog" aria-labelledby="edit-title" class="wide">
      <form id="edit-form">
        <h2 id="edit-title">Edit</h2>
        <label>
          <span>Tags, separated by commas</span>
          <input id="edit-tags" autocomplete="off" />
        </label>
        <label>
          <span>Metadata, in JSON</span>
          <textarea id="edit-metadata" rows={12} spellcheck={false}></textarea>
        </label>
        <p id="edit-problem" class="field-problem" role="alert"></p>
        <div class="actions">
          <button type="submit" class="primary">Save</button>
          <button type="button" data-close>Cancel</button>
        </div>
      </form>
    </dialog>
  );
}
