/** @jsxImportSource hono/jsx */
/** What the pages of both modes have: the head, the search, the dialog for a token. */
import type { Child } from "hono/jsx";

/** The top of a page. */
export function Top({ title, children }: { title: string; children?: Child }) {
  return (
    <header class="top">
      <a class="brand" href="#/">
        <img src="icon.svg" alt="" width="28" height="28" /> {title}
      </a>
      <nav aria-label="Server">
        <a href="../docs">API</a>
        <button type="button" id="token-button" class="quiet">Token</button>
        {children}
      </nav>
    </header>
  );
}

/** Where what happens is said. */
export function Notices() {
  return (
    <>
      <p id="problem" role="alert" class="problem" hidden></p>
      <p id="status" role="status" class="hidden"></p>
      <noscript>
        <p class="problem">
          This page needs JavaScript. The API does not: see /docs.
        </p>
      </noscript>
    </>
  );
}

/** Filters to begin with, and what they do. */
const EXAMPLES: [string, string][] = [
  ["a tag", '{"asset_tags": "demo"}'],
  ["a range", '{"asset_file_info.file_size": {"$gt": 1000000}}'],
  ["a key of the metadata", '{"asset_metadata.language": "en"}'],
  ["a pattern", '{"asset_name": {"$regex": "^llama", "$options": "i"}}'],
  [
    "one of several",
    '{"$or": [{"asset_tags": "pytorch"}, {"asset_tags": "onnx"}]}',
  ],
];

/** Orders, and what they are called. The ids of stored files rise with time. */
const ORDERS: [string, string][] = [
  ["-asset_id", "Newest files first"],
  ["", "Oldest first"],
  ["asset_name", "Name A–Z"],
  ["-asset_name", "Name Z–A"],
  ["-asset_file_info.file_size", "Largest first"],
  ["asset_file_info.file_size", "Smallest first"],
];

/** What a search is set up with. */
interface SearchProps {
  /** What the list is of. */
  caption: string;
  /** Columns behind those of every list. */
  moreColumns?: string[];
}

/** The boxes of a search, its results and its pages. */
export function Search({ caption, moreColumns = [] }: SearchProps) {
  return (
    <>
      <SearchBoxes />
      <FilterBox />
      <div class="line">
        <p id="found" class="muted">Loading…</p>
        <button type="button" id="count" class="quiet small" hidden>
          Count them
        </button>
        <div class="pager">
          <button type="button" id="previous" class="quiet" disabled>
            Previous
          </button>
          <button type="button" id="next" class="quiet" disabled>Next</button>
        </div>
      </div>
      <p id="wider" hidden>
        <button type="button" id="anywhere">
          Search inside names, tags and descriptions
        </button>{" "}
        <span class="muted">
          or press Enter. It takes a while here: what is found at once are names and tags that begin so.
        </span>
      </p>
      <div id="results">
        <table id="list" class="list assets" hidden>
          <caption class="hidden">{caption}</caption>
          <thead>
            <tr>
              {["Name", "Version", "Size", "Type", "Tags", ...moreColumns].map((
                name,
              ) => <th scope="col">{name}</th>)}
            </tr>
          </thead>
          <tbody id="rows"></tbody>
        </table>
        <div id="nothing" class="empty" hidden>
          <p>Nothing is like that.</p>
          <p class="muted">
            Try fewer or other words, or look at the filter. <a href="#/">Show everything</a>
          </p>
        </div>
      </div>
    </>
  );
}

function SearchBoxes() {
  return (
    <div class="search" role="search">
      <label class="grow">
        <span>Search</span>
        <input
          id="search"
          type="search"
          placeholder="name, tag, description"
          autocomplete="off"
          autocapitalize="off"
          enterkeyhint="search"
          spellcheck={false}
        />
      </label>
      <label>
        <span>Order</span>
        <select id="sort">
          {ORDERS.map(([sort, name]) => <option value={sort}>{name}</option>)}
        </select>
      </label>
      <label>
        <span>Per page</span>
        <select id="page-size">
          {[20, 50, 100].map((size) => <option value={String(size)}>{size}</option>)}
        </select>
      </label>
    </div>
  );
}

function FilterBox() {
  return (
    <details class="filter" id="filter-box">
      <summary>Filter</summary>
      <label>
        <span>A MongoDB filter, in JSON</span>
        <textarea
          id="filter"
          rows={3}
          spellcheck={false}
          autocapitalize="off"
          aria-describedby="filter-problem filter-help"
        >
        </textarea>
      </label>
      <p id="filter-problem" class="field-problem" role="alert"></p>
      <p id="filter-help" class="muted">
        A key is a field or a dotted path; a value is what it must be, or operators such as <code>$gt</code>,
        {" "}
        <code>$in</code>, <code>$regex</code>, <code>$exists</code>, <code>$elemMatch</code>. To begin with:
      </p>
      <p class="examples">
        {EXAMPLES.map(([name, filter]) => (
          <button type="button" class="quiet" data-filter={filter}>
            {name}
          </button>
        ))}
      </p>
    </details>
  );
}

/** The dialog for a token. */
export function TokenDialog() {
  return (
    <dialog id="token-dialog" aria-labelledby="token-title">
      <form id="token-form">
        <h2 id="token-title">Access token</h2>
        <p id="token-reason" class="field-problem"></p>
        <p class="muted">
          It is kept until this tab is closed, and sent to this server only.
        </p>
        <label>
          <span>Token</span>
          <input id="token-input" type="password" autocomplete="off" />
        </label>
        <div class="actions">
          <button type="submit" class="primary">Use it</button>
          <button type="button" id="token-forget">Forget it</button>
          <button type="button" data-close>Cancel</button>
        </div>
      </form>
    </dialog>
  );
}
