/** @jsxImportSource hono/jsx */
/** The page of a registry, as it is before its script fills it. */
import { Notices, Search, TokenDialog, Top } from "./parts.tsx";
import { documentText } from "./shell.tsx";

/** The page as HTML. */
export function registryPage(): string {
  return documentText({
    title: "Assets registry",
    base: "",
    script: "registry.js",
    body: (
      <>
        <Top title="Assets registry" />
        <main id="main" tabindex={-1}>
          <Notices />
          <h1 class="hidden">Assets registry</h1>
          <section aria-labelledby="entries-title">
            <h2 id="entries-title">Assets DBs</h2>
            <p id="entries-summary" class="muted"></p>
            <div id="no-entries" class="empty" hidden>
              <p>No Assets DB is registered yet.</p>
              <p class="muted">
                Start one with <code>--registry-url</code> and the address of this registry, or type{" "}
                <code>assets-server registry add</code> into a terminal.
              </p>
            </div>
            <ul id="entries" class="cards"></ul>
            <p class="after">
              <button
                type="button"
                id="all-entries"
                aria-controls="entries"
                hidden
              >
              </button>
            </p>
          </section>
          <section id="search-section" aria-labelledby="search-title" hidden>
            <h2 id="search-title">Search in all of them</h2>
            <Search caption="Assets found" moreColumns={["In"]} />
            <details id="sources" hidden>
              <summary id="sources-title">Where was searched</summary>
              <table class="list" aria-labelledby="sources-title">
                <thead>
                  <tr>
                    {["Assets DB", "Status", "On this page", "Problem"].map((
                      name,
                    ) => <th scope="col">{name}</th>)}
                  </tr>
                </thead>
                <tbody id="source-rows"></tbody>
              </table>
            </details>
          </section>
        </main>
        <TokenDialog />
      </>
    ),
  });
}
