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
            <p id="no-entries" class="empty" hidden>None is registered yet.</p>
            <ul id="entries" class="cards"></ul>
          </section>
          <section aria-labelledby="search-title">
            <h2 id="search-title">Search in all of them</h2>
            <Search caption="Assets found" />
            <p id="empty" class="empty" hidden>There is nothing to show.</p>
            <h3>Where was searched</h3>
            <table class="list">
              <thead>
                <tr>
                  {["Assets DB", "Status", "Found here", "Problem"].map((name) => (
                    <th scope="col">{name}</th>
                  ))}
                </tr>
              </thead>
              <tbody id="source-rows"></tbody>
            </table>
          </section>
        </main>
        <TokenDialog />
      </>
    ),
  });
}
