/** URIs: which names there may be, and how a URI reaches the server. */
import { assert, assertEquals } from "@std/assert";
import { asJsonObject } from "../../src/collection/json.ts";
import {
  assertError,
  assertStatus,
  at,
  created,
  deleteAsset,
  getAsset,
  postAsset,
  putAsset,
  query,
  send,
  textAt,
  uploaded,
} from "./client.ts";
import { rawRequest } from "./raw.ts";
import { registerFor, type Suite } from "./suite.ts";

const VERSION = { version: "1", tag: "t" };
const ROBOT = "🤖";

const NAMES = [
  "with space",
  " leading and trailing ",
  "meta-llama/Llama-3",
  "/leading",
  "trailing/",
  "a//b",
  "a/../b",
  "a/./b",
  "..",
  "a\\b",
  "a:b:c",
  "größe",
  "gro\u0308ße",
  "模型",
  ROBOT,
  "100%",
  "50%zz",
  "a%2Fb",
  "a%20b",
  "a+b",
  "a?b=c",
  "a#b",
  "a&b;c=d,e",
  "'\"<>{}|^`[]@!$()*~",
  "\u200b\ufeff\u2028",
];

export function uriTests(suite: Suite): void {
  const test = registerFor(suite);

  test("Names may hold spaces, slashes, colons and any Unicode: each is its own asset", async (server) => {
    for (const asset_name of NAMES) {
      const { uri } = await created(server, { asset_name, asset_version: VERSION });
      assertEquals(uri, `${asset_name}:1-t`);
    }
    for (const asset_name of NAMES) {
      const answer = await getAsset(server, `${asset_name}:1-t`);
      assertEquals(at(answer.body, "data.asset_name"), asset_name, answer.text);
      const changed = await putAsset(server, `${asset_name}:1-t`, { asset_tags: [asset_name] });
      assertEquals(at(changed.body, "data.asset.asset_tags"), [asset_name], changed.text);
    }
    for (const [index, asset_name] of NAMES.entries()) {
      assertStatus(await deleteAsset(server, `${asset_name}:1-t`), 200);
      assertEquals((await query(server, {}, "?count=only")).body.count, NAMES.length - index - 1);
    }
  });

  test("A path reaches its asset raw as well as encoded, odd ones too", async (server) => {
    for (const asset_name of NAMES) await created(server, { asset_name, asset_version: VERSION });
    const targets: [string, string][] = [
      ["/asset/meta-llama/Llama-3:1-t", "meta-llama/Llama-3"],
      ["/asset/meta-llama%2FLlama-3:1-t", "meta-llama/Llama-3"],
      ["/asset/meta-llama%2fLlama-3%3A1%2dt", "meta-llama/Llama-3"],
      ["/asset/a/../b:1-t", "a/../b"],
      ["/asset/a%2F..%2Fb:1-t", "a/../b"],
      ["/asset/a/%2e%2e/b:1-t", "a/../b"],
      ["/asset/a/./b:1-t", "a/./b"],
      ["/asset/..:1-t", ".."],
      ["/asset/a\\b:1-t", "a\\b"],
      ["/asset/a%5Cb:1-t", "a\\b"],
      ["/asset//leading:1-t", "/leading"],
      ["/asset/trailing/:1-t", "trailing/"],
      ["/asset/a//b:1-t", "a//b"],
      ["/asset/with%20space:1-t", "with space"],
      ["/asset/a+b:1-t", "a+b"],
      ["/asset/a%252Fb:1-t", "a%2Fb"],
      ["/asset/a%3Fb=c:1-t", "a?b=c"],
      ["/asset/a%23b:1-t", "a#b"],
      ["/asset/100%:1-t", "100%"],
      ["/asset/100%25:1-t", "100%"],
      ["/asset/50%zz:1-t", "50%zz"],
      ["/asset/größe:1-t", "größe"],
      ["/asset/gr%C3%B6%C3%9Fe:1-t", "größe"],
      ["/asset/模型:1-t", "模型"],
      [`/asset/${ROBOT}:1-t`, ROBOT],
      ["/asset/%F0%9F%A4%96:1-t?ignored=1", ROBOT],
    ];
    for (const [target, name] of targets) {
      const answer = await rawRequest(server, "GET", target);
      assertEquals(answer.status, 200, `${target}: ${answer.text}`);
      assertEquals(at(asJsonObject(JSON.parse(answer.text)), "data.asset_name"), name, target);
    }
  });

  test("Raw odd paths work for PUT and DELETE too", async (server) => {
    for (const asset_name of ["a/../b", "b"]) await created(server, { asset_name, asset_version: VERSION });
    const body = JSON.stringify({ asset_tags: ["odd"] });
    const headers = ["Content-Type: application/json"];
    const changed = await rawRequest(server, "PUT", "/asset/a/../b:1-t", { headers, body });
    assertEquals(changed.status, 200, changed.text);
    assertEquals(at((await getAsset(server, "a/../b:1-t")).body, "data.asset_tags"), ["odd"]);
    assertEquals((await rawRequest(server, "DELETE", "/asset/a/../b:1-t")).status, 200);
    assertError(await getAsset(server, "a/../b:1-t"), 404, "not_found");
    assertStatus(await getAsset(server, "b:1-t"), 200);
  });

  test("A path with dots does not leave /asset for another route", async (server) => {
    const answer = await rawRequest(server, "GET", "/asset/../health");
    assertEquals(answer.status, 404, answer.text);
    const object = await rawRequest(server, "GET", "/asset-object/../../../../etc/passwd");
    assertEquals(object.status, 404, object.text);
    const encoded = await rawRequest(server, "GET", "/asset-object/..%2F..%2F..%2Flock");
    assertEquals(encoded.status, 404, encoded.text);
  });

  test("A URI may be longer than a key of 2 KiB", async (server) => {
    const name = ROBOT.repeat(512);
    const version = "é".repeat(256);
    const tag = "漢".repeat(256);
    const uri = `${name}:${version}-${tag}`;
    const { id } = await uploaded(server, "long", { name, version, tag });
    const answer = assertStatus(await getAsset(server, uri), 200);
    assertEquals(at(answer.body, "data.asset_uri"), uri);
    const raw = await rawRequest(server, "GET", `/asset/${uri}`);
    assertEquals(raw.status, 200, raw.text.slice(0, 300));
    assertEquals((await query(server, { asset_uri: uri }, "?count=only")).body.count, 1);
    const twin = { asset_name: name, asset_version: { version, tag } };
    assertError(await postAsset(server, twin), 409, "already_exists");
    // Another one with the same first 2 KiB is another asset.
    await created(server, { asset_name: name, asset_version: { version, tag: `${tag.slice(1)}!` } });
    assertStatus(await deleteAsset(server, uri), 200);
    assertEquals((await send(server, `/asset-object/${id}`)).status, 404);
    await created(server, twin);
  });

  test("Names end at 512 code points, versions and tags at 256", async (server) => {
    const bodies: [Record<string, unknown>, number][] = [
      [{ asset_name: "x".repeat(512) }, 201],
      [{ asset_name: ROBOT.repeat(512), asset_version: VERSION }, 201],
      [{ asset_name: "x".repeat(513) }, 400],
      [{ asset_name: ROBOT.repeat(513) }, 400],
      [{ asset_name: "v", asset_version: { version: ROBOT.repeat(256), tag: "t" } }, 201],
      [{ asset_name: "v", asset_version: { version: "x".repeat(257), tag: "t" } }, 400],
      [{ asset_name: "v", asset_version: { version: "1", tag: ROBOT.repeat(256) } }, 201],
      [{ asset_name: "v", asset_version: { version: "1", tag: "x".repeat(257) } }, 400],
    ];
    for (const [body, status] of bodies) {
      const answer = await postAsset(server, body);
      assertEquals(answer.status, status, JSON.stringify(body).slice(0, 60));
      if (status === 400) assertError(answer, 400, "invalid_request");
    }
  });

  test("Control characters in a name, a version or a tag are 400", async (server) => {
    for (const character of ["\n", "\0", "\u001f", "\u007f", "\u0085", "\u009f"]) {
      for (
        const body of [
          { asset_name: `a${character}b` },
          { asset_name: "a", asset_version: { version: `1${character}`, tag: "t" } },
          { asset_name: "a", asset_version: { version: "1", tag: `${character}t` } },
        ]
      ) assertError(await postAsset(server, body), 400, "invalid_request");
    }
    const { uri } = await created(server, { asset_name: "fine", asset_version: VERSION });
    assertError(await putAsset(server, uri, { asset_name: "a\tb" }), 400, "invalid_request");
    assertError(await putAsset(server, uri, { "asset_version.tag": "\0" }), 400, "invalid_request");
    assertEquals((await query(server, {}, "?count=only")).body.count, 1);
  });

  test("An unknown URI and an unknown id are 404 for every method", async (server) => {
    for (const uri of ["Nothing:1-t", crypto.randomUUID(), "x".repeat(3000)]) {
      const answer = assertError(await getAsset(server, uri), 404, "not_found");
      assert(textAt(answer.body, "error").length < 5000);
      assertError(await putAsset(server, uri, { asset_tags: [] }), 404, "not_found");
      assertError(await deleteAsset(server, uri), 404, "not_found");
      assertError(await send(server, `/asset-object/${encodeURIComponent(uri)}`), 404, "not_found");
    }
    assertEquals((await query(server, {})).body.data, []);
  });
}
