import { assert, assertEquals, assertRejects } from "@std/assert";
import { compileFilter } from "../../src/collection/filter.ts";
import type { JsonObject } from "../../src/collection/json.ts";
import { QueryThread, type ThreadQuery } from "../../src/collection/view/query_thread.ts";
import { runOnThread } from "../../src/collection/view/view_query.ts";
import { ServiceError } from "../../src/errors.ts";
import { idOf } from "./fixture.ts";
import { TestView } from "./view_fixture.ts";

const COUNT = 5000;

/** A view whose last document takes a `$regex` many seconds: far larger than any that a collection takes. */
function openView(): TestView {
  const view = new TestView();
  view.put(Array.from({ length: COUNT }, (_, n) => [idOf(n), { n, text: `thing ${n} ${"x".repeat(100)}` }]));
  return view;
}

const SLOW = {
  $or: ["[de]", "[df]", "[dg]", "[dh]"].map((end) => ({ huge: { $regex: `(.{1,90}){2}${end}` } })),
};

function query(filter: JsonObject, more: Partial<ThreadQuery> = {}): ThreadQuery {
  return { filter, limit: Infinity, bases: [], timeoutMs: 60_000, want: "matches", ...more };
}

async function collect<T>(chunks: AsyncIterable<T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const chunk of chunks) all.push(...chunk);
  return all;
}

Deno.test("QueryThread.run() gives every match in chunks, and says how it was found", async () => {
  using view = openView();
  const thread = new QueryThread(`${view.folder}/view.sqlite`);
  try {
    const running = thread.run(query({ n: { $gte: 10 } }));
    let found = 0;
    let chunks = 0;
    for (let next = await running.next();; next = await running.next()) {
      if (next.done) {
        assertEquals(next.value.explanation.tested, 0);
        break;
      }
      found += next.value.length;
      chunks++;
    }
    assertEquals(found, COUNT - 10);
    assert(chunks > 1);
    assertEquals(thread.load, 0);
  } finally {
    thread.close();
  }
});

Deno.test("QueryThread.run() works no further than its reader asks", async () => {
  using view = openView();
  const thread = new QueryThread(`${view.folder}/view.sqlite`);
  try {
    const lazy = thread.run(query({}));
    const first = await lazy.next();
    assert(!first.done && first.value.length < COUNT / 2);
    // Another query has the thread meanwhile.
    assertEquals((await collect(thread.run(query({ n: 7 })))).length, 1);
    await lazy.return({ count: 0, explanation: { leads: "", exact: true, candidates: 0, tested: 0 } });
    assertEquals(thread.load, 0);
  } finally {
    thread.close();
  }
});

Deno.test("A query that hangs in one document is ended with its thread, and the others go on where they were", async () => {
  using view = openView();
  view.put([[idOf(COUNT), { huge: Array(200).fill(`c${"ab".repeat(120_000)}`) }]]);
  const thread = new QueryThread(`${view.folder}/view.sqlite`, 800);
  try {
    const filter = compileFilter({ text: { $regex: "thing" } });
    const others = runOnThread(
      () => thread,
      { bases: () => new Map() },
      { filter, limit: Infinity, timeoutMs: 60_000 },
      "matches",
    );
    const first = await others.next();
    const begin = first.done ? [] : first.value;
    assert(begin.length > 0);
    const error = await assertRejects(
      () => collect(thread.run(query(SLOW))),
      ServiceError,
      "single document",
    );
    assertEquals(error.code, "timeout");
    const rest = await collect(others);
    const ids = [...begin, ...rest].map(({ id }) => id);
    assertEquals(ids, Array.from({ length: COUNT }, (_, n) => idOf(n)));
  } finally {
    thread.close();
  }
});

Deno.test("A thread is not taken for one that hangs because the process itself did not run for a while", async () => {
  using view = openView();
  const thread = new QueryThread(`${view.folder}/view.sqlite`, 400);
  try {
    const lazy = thread.run(query({}));
    await lazy.next();
    for (const until = performance.now() + 1000; performance.now() < until;);
    await new Promise((resolve) => setTimeout(resolve, 200));
    // It would throw ThreadReplaced.
    assertEquals((await collect(lazy)).length > 0, true);
  } finally {
    thread.close();
  }
});

Deno.test("QueryThread.run() ends when its signal says so, though nothing has been found", async () => {
  using view = openView();
  view.put([[idOf(COUNT), { huge: Array(200).fill(`c${"ab".repeat(120_000)}`) }]]);
  const thread = new QueryThread(`${view.folder}/view.sqlite`);
  try {
    const stop = new AbortController();
    const running = collect(thread.run(query(SLOW), stop.signal));
    const timer = setTimeout(() => stop.abort(new Error("nobody waits")), 200);
    await assertRejects(() => running, Error, "nobody waits");
    clearTimeout(timer);
    assertEquals(thread.load, 0);
    await assertRejects(() => collect(thread.run(query({}), stop.signal)), Error, "nobody waits");
  } finally {
    thread.close();
  }
});

Deno.test("QueryThread.run() ends with timeout when the search takes longer than it may", async () => {
  using view = openView();
  const thread = new QueryThread(`${view.folder}/view.sqlite`);
  try {
    const slow = query({ $expr: { $gt: ["$n", COUNT] } }, { timeoutMs: 1 });
    const error = await assertRejects(() => collect(thread.run(slow)), ServiceError, "--query-timeout");
    assertEquals(error.code, "timeout");
  } finally {
    thread.close();
  }
});
