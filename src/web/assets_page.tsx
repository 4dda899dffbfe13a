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
          <button type="button" id="upload-button" class="primary">
            Upload
          </button>
        </Top>
        <main id="main" tabindex={-1}>
          <Notices />
          <div id="browse">
            <h1 class="hidden">Assets</h1>
            <Search caption="Assets" />
            <div id="empty" class="empty" hidden>
              <p>There is no asset yet.</p>
              <p class="muted">
                Drop files or folders anywhere on this page, press Upload, or type{" "}
                <code>assets-server push FILE</code> into a terminal.
              </p>
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
        <ul id="uploads" class="uploads" aria-label="Uploads" hidden></ul>
        <label class="drop">
          <span>Drop files or folders here, or choose files</span>
          <input id="upload-files" type="file" multiple />
          <span id="upload-chosen" role="status"></span>
        </label>
        <section id="unfinished" aria-labelledby="unfinished-title" hidden>
          <h3 id="unfinished-title">Not finished</h3>
          <p class="muted">
            Choose the same file again, and its upload goes on where it was.
          </p>
          <ul id="unfinished-list" class="uploads"></ul>
        </section>
        <label>
          <span>Name</span>
          <input
            id="upload-name"
            autocomplete="off"
            maxlength={512}
            placeholder="that of the file"
          />
        </label>
        <div class="columns">
          <label>
            <span>Version</span>
            <input
              id="upload-version"
              value="1.0"
              required
              maxlength={256}
              autocomplete="off"
            />
          </label>
          <label>
            <span>Tag of the version</span>
            <input
              id="upload-tag"
              value="initial"
              required
              maxlength={256}
              autocomplete="off"
            />
          </label>
        </div>
        <label>
          <span>Tags, separated by commas</span>
          <input id="upload-tags" autocomplete="off" />
        </label>
        <label>
          <span>Metadata, in JSON</span>
          <textarea
            id="upload-metadata"
            rows={3}
            spellcheck={false}
            placeholder='{"description": "…"}'
          >
          </textarea>
        </label>
        <label>
          <span>
            SHA-256 of the file, if you know it: another one is refused
          </span>
          <input
            id="upload-sha256"
            class="code"
            autocomplete="off"
            spellcheck={false}
            pattern="\s*[0-9a-fA-F]{64}\s*"
            title="64 hexadecimal digits"
          />
        </label>
        <p id="upload-problem" class="field-problem" role="alert"></p>
        <div class="actions">
          <button type="submit" class="primary">Upload</button>
          <button type="button" id="upload-close">Close</button>
        </div>
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
