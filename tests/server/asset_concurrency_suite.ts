/** Many at once, and the same thing twice. */
import { assert, assertEquals } from "@std/assert";
import {
  type Answer,
  assertError,
  assertLeft,
  assertStatus,
  at,
  created,
  deleteAsset,
  getAsset,
  keysOf,
  listAt,
  objectKeys,
  postAsset,
  putAsset,
  query,
  send,
  textAt,
  upload,
  uploaded,
} from "./client.ts";
import type { UploadInput } from "./harness.ts";
import { registerFor, type Suite } from "./suite.ts";

const VERSION = { version: "1", tag: "t" };

/** `count` at once. */
function many<T>(count: number, run: (n: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, n) => run(n)));
}

function statuses(answers: Answer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

export function concurrencyTests(suite: Suite): void {
  const test = registerFor(suite);

  test("Of 30 uploads of one URI at once exactly one wins, and one object stays", async (server) => {
    const answers = await many(30, (n) => upload(server, `bytes of ${n}`));
    assertEquals(statuses(answers), { 201: 1, 409: 29 });
    await assertLeft(server, 1, suite.gaps);
    const winner = answers.findIndex(({ status }) => status === 201);
    const id = textAt(answers[winner]?.body, "asset_id");
    assertEquals((await send(server, `/asset-object/${id}`)).text, `bytes of ${winner}`);
  });

  test("Of many POST /asset at once with one URI, or one asset_id, exactly one wins", async (server) => {
    const sameUri = await many(20, () => postAsset(server, { asset_name: "A", asset_version: VERSION }));
    assertEquals(statuses(sameUri), { 201: 1, 409: 19 });
    const sameId = await many(20, (n) => postAsset(server, { asset_name: `N${n}`, asset_id: "one-id" }));
    assertEquals(statuses(sameId), { 201: 1, 409: 19 });
    assertEquals((await query(server, {}, "?count=only")).body.count, 2);
  });

  test("20 dotted PUTs of different leaves at once all survive", async (server) => {
    const { uri } = await created(server, { asset_name: "A", asset_version: VERSION });
    const answers = await many(20, (n) => putAsset(server, uri, { [`asset_metadata.leaf${n}`]: n }));
    assertEquals(statuses(answers), { 200: 20 });
    const leaves = at((await getAsset(server, uri)).body, "data.asset_metadata");
    assertEquals(leaves, Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`leaf${n}`, n])));
  });

  test("Of many PUTs at once with one If-Match exactly one wins", async (server) => {
    const { uri } = await created(server, { asset_name: "A", asset_version: VERSION });
    const etag = (await getAsset(server, uri)).headers.get("ETag") ?? "";
    const answers = await many(
      10,
      (n) => putAsset(server, uri, { asset_tags: [`${n}`] }, { "If-Match": etag }),
    );
    assertEquals(statuses(answers), { 200: 1, 412: 9 });
    const winner = answers.findIndex(({ status }) => status === 200);
    assertEquals(at((await getAsset(server, uri)).body, "data.asset_tags"), [`${winner}`]);
  });

  test("Of many renames at once to one URI exactly one wins", async (server) => {
    await many(10, (n) => created(server, { asset_name: `N${n}`, asset_version: VERSION }));
    const answers = await many(10, (n) => putAsset(server, `N${n}:1-t`, { asset_name: "One" }));
    assertEquals(statuses(answers), { 200: 1, 409: 9 });
    assertEquals(listAt((await query(server, { asset_uri: "One:1-t" })).body, "data").length, 1);
    assertEquals((await query(server, {}, "?count=only")).body.count, 10);
  });

  test("Of many DELETEs at once exactly one is 200, and nothing is left", async (server) => {
    const { uri } = await uploaded(server, "x");
    const answers = await many(10, () => deleteAsset(server, uri));
    assertEquals(statuses(answers), { 200: 1, 404: 9 });
    await assertLeft(server, 0, suite.gaps);
  });

  test("Uploads and deletes of one URI in a race leave one object for each document", async (server) => {
    await many(40, async (n) => {
      const answer = n % 2 === 0
        ? await upload(server, `${n}`)
        : await deleteAsset(server, "Sample:1.0-initial");
      assert([200, 201, 404, 409].includes(answer.status), answer.text);
    });
    const count = listAt((await query(server, {})).body, "data").length;
    await assertLeft(server, count, suite.gaps);
  });
}

export function idempotencyTests(suite: Suite): void {
  const test = registerFor(suite);
  const key = (value: string) => ({ "Idempotency-Key": value });

  test("Idempotency-Key on POST /asset gives the same answer, once", async (server) => {
    const body = { asset_name: "A", asset_metadata: { a: 1 } };
    const first = assertStatus(await postAsset(server, body, key("k")), 201);
    const second = assertStatus(await postAsset(server, body, key("k")), 201);
    assertEquals(second.body, first.body);
    assertStatus(await postAsset(server, body, key("other")), 201);
    assertStatus(await postAsset(server, body), 201);
    assertEquals((await query(server, {}, "?count=only")).body.count, 3);
  });

  test("Idempotency-Key on POST /upload_asset gives the same answer, once, and leaves one object", async (server) => {
    const first = assertStatus(await upload(server, "bytes", {}, key("k")), 201);
    const second = assertStatus(await upload(server, "bytes", {}, key("k")), 201);
    assertEquals(second.body, first.body);
    assertEquals(keysOf(second.body), ["asset_id", "asset_uri", "data", "public_url", "success"]);
    await assertLeft(server, 1, suite.gaps);
    assertEquals(await objectKeys(server), [`asset/${textAt(first.body, "asset_id")}`]);
  });

  test("Idempotency-Key on PUT gives the same answer, once", async (server) => {
    const { uri } = await created(server, { asset_name: "A", asset_version: VERSION });
    const first = assertStatus(await putAsset(server, uri, { asset_tags: ["one"] }, key("k")), 200);
    assertStatus(await putAsset(server, uri, { asset_tags: ["two"] }), 200);
    const second = assertStatus(await putAsset(server, uri, { asset_tags: ["one"] }, key("k")), 200);
    assertEquals(second.body, first.body);
    assertEquals(at((await getAsset(server, uri)).body, "data.asset_tags"), ["two"]);
  });

  test("Idempotency-Key on PUT makes a rename repeatable though its path is gone", async (server) => {
    const { uri } = await created(server, { asset_name: "A", asset_version: VERSION });
    const first = assertStatus(await putAsset(server, uri, { asset_name: "B" }, key("k")), 200);
    const second = assertStatus(await putAsset(server, uri, { asset_name: "B" }, key("k")), 200);
    assertEquals(second.body, first.body);
  });

  test("Idempotency-Key on DELETE gives the same answer, once", async (server) => {
    const { uri } = await uploaded(server, "first");
    assertStatus(await deleteAsset(server, uri, key("k")), 200);
    const { id } = await uploaded(server, "second");
    assertEquals((await deleteAsset(server, uri, key("k"))).body, {
      success: true,
      data: { message: "Asset deleted" },
    });
    assertEquals((await send(server, `/asset-object/${id}`)).text, "second");
    assertError(await deleteAsset(server, "Nothing:1-t", key("m")), 404, "not_found");
  });

  test("The same key at the same time gives one answer to all", async (server) => {
    const posts = await many(10, () => postAsset(server, { asset_name: "A" }, key("post")));
    assertEquals(statuses(posts), { 201: 10 });
    assertEquals(new Set(posts.map(({ text }) => text)).size, 1);
    const uploads = await many(10, () => upload(server, "bytes", {}, key("upload")));
    assertEquals(statuses(uploads), { 201: 10 });
    assertEquals(new Set(uploads.map(({ body }) => textAt(body, "asset_id"))).size, 1);
    assertEquals((await query(server, {}, "?count=only")).body.count, 2);
    for (let tries = 0; tries < 100 && (await objectKeys(server)).length > 1; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assertEquals((await objectKeys(server)).length, 1);
    const deletes = await many(10, () => deleteAsset(server, "Sample:1.0-initial", key("delete")));
    assertEquals(statuses(deletes), { 200: 10 });
  });

  test("A key that was used for another request is 400", async (server) => {
    const { uri } = await created(server, { asset_name: "A", asset_version: VERSION });
    assertStatus(await postAsset(server, { asset_name: "B" }, key("k")), 201);
    assertError(await postAsset(server, { asset_name: "C" }, key("k")), 400, "invalid_request");
    assertError(await putAsset(server, uri, { asset_name: "B" }, key("k")), 400, "invalid_request");
    assertError(await deleteAsset(server, uri, key("k")), 400, "invalid_request");
    assertError(await upload(server, "bytes", {}, key("k")), 400, "invalid_request");
    assertEquals((await query(server, {}, "?count=only")).body.count, 2);
    assertEquals(await objectKeys(server), []);
  });

  test("A key of an upload that was used for another name, other bytes or another file name is 400", async (server) => {
    assertStatus(await upload(server, "bytes", {}, key("k")), 201);
    const others: [string, UploadInput][] = [["bytes", { name: "V" }], ["bytes", { fileName: "other.bin" }], [
      "other",
      {},
    ]];
    for (const [bytes, input] of others) {
      const answer = await upload(server, bytes, input, key("k"));
      assertEquals(answer.status, 400, `${bytes} ${JSON.stringify(input)}: ${answer.text}`);
      assertError(answer, 400, "invalid_request");
    }
    await assertLeft(server, 1, suite.gaps);
  });

  test("A key may have 255 characters, and no more", async (server) => {
    const long = key("k".repeat(256));
    const { uri } = await created(server, { asset_name: "A", asset_version: VERSION });
    assertError(await postAsset(server, { asset_name: "B" }, long), 400, "invalid_request");
    assertError(await putAsset(server, uri, { asset_tags: ["x"] }, long), 400, "invalid_request");
    assertError(await deleteAsset(server, uri, long), 400, "invalid_request");
    assertError(await upload(server, "x", {}, long), 400, "invalid_request");
    assertEquals((await query(server, {}, "?count=only")).body.count, 1);
    await assertLeftNoObject(server);
    assertStatus(await postAsset(server, { asset_name: "B" }, key("k".repeat(255))), 201);
  });

  test("A request that failed does not use its key up", async (server) => {
    await created(server, { asset_name: "A", asset_version: VERSION });
    const body = { asset_name: "A", asset_version: VERSION };
    assertError(await postAsset(server, body, key("k")), 409, "already_exists");
    assertStatus(await deleteAsset(server, "A:1-t"), 200);
    assertStatus(await postAsset(server, body, key("k")), 201);
  });

  test("A key outlives a restart", async (server) => {
    const first = assertStatus(await postAsset(server, { asset_name: "A" }, key("k")), 201);
    await server.restart();
    assertEquals((await postAsset(server, { asset_name: "A" }, key("k"))).body, first.body);
    assertEquals((await query(server, {}, "?count=only")).body.count, 1);
  });

  async function assertLeftNoObject(server: Parameters<typeof objectKeys>[0]): Promise<void> {
    assertEquals(await objectKeys(server), []);
  }
}
