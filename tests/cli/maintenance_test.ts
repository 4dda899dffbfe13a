import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { asJsonObject } from "../../src/collection/json.ts";
import { makeAssets } from "../maintenance/fixture.ts";
import { startTestServer } from "../server/harness.ts";
import { User } from "./command_line.ts";

const NOWHERE = { url: "http://127.0.0.1:1" };

Deno.test("fsck prints a line for each finding, and ends with 0 in order, 1 if something remains, 0 once mended", async () => {
  await using data = await makeAssets(2);
  await using user = await User.create(NOWHERE);
  const where = ["--data-dir", data.dataDir];
  assertEquals(await user.run(["fsck", ...where]), {
    code: 0,
    stdout: "2 assets, 2 files of 24 B: nothing found.\n",
    stderr: "",
  });
  await Deno.writeTextFile(`${data.dataDir}/objects/asset/stray`, "stray");
  const found = await user.run(["fsck", ...where]);
  assertEquals([found.code, found.stdout], [
    1,
    "stray_file: asset/stray belongs to no asset; --repair moves it to lost+found\n",
  ]);
  assertStringIncludes(found.stderr, "1 finding, 0 mended, 1 remaining");
  const lines = (await user.run(["fsck", ...where, "--json"])).stdout.trim().split("\n")
    .map((line) => asJsonObject(JSON.parse(line)));
  assertEquals(lines.map(({ kind, outcome, remaining }) => kind ? [kind, outcome] : remaining), [
    ["stray_file", "found"],
    1,
  ]);
  const mended = await user.run(["fsck", ...where, "--repair"]);
  assertEquals([mended.code, mended.stdout.split("\n")[0]], [
    0,
    "stray_file: asset/stray belongs to no asset; mended",
  ]);
});

Deno.test("fsck, backup and restore say how many there are, of one in the singular", async () => {
  await using data = await makeAssets(1);
  await using user = await User.create(NOWHERE);
  const where = ["--data-dir", data.dataDir];
  assertEquals(await user.succeed(["fsck", ...where]), "1 asset, 1 file of 12 B: nothing found.\n");
  assertEquals(await user.succeed(["backup", "b.tar", ...where]), "1 asset in b.tar\n");
  assertEquals(await user.succeed(["restore", "b.tar", "--data-dir", "new"]), "1 asset restored\n");
});

Deno.test("backup and restore take the server's flags before and behind the command, and say what they did", async () => {
  await using data = await makeAssets(2);
  await using user = await User.create(NOWHERE);
  const backedUp = await user.succeed(["--data-dir", data.dataDir, "backup", "b.tar", "--objects"]);
  assertEquals(backedUp, "2 assets and 2 files of 24 B in b.tar\n");
  assertEquals(
    await user.succeed(["restore", "b.tar", "--data-dir", "new", "--port", "4000"]),
    "2 assets and 2 files restored\n",
  );
  const checked = await user.succeed(["fsck", "--checksums", "--json"], { env: { DATA_DIR: "new" } });
  assertEquals(asJsonObject(JSON.parse(checked)).findings, 0);
});

Deno.test("fsck --repair and restore refuse while a server has the folder, fsck and backup do not", async () => {
  await using server = await startTestServer();
  await using user = await User.create(NOWHERE);
  const where = ["--data-dir", server.dataDir];
  await user.succeed(["backup", "b.tar", ...where]);
  await user.succeed(["fsck", ...where]);
  for (const command of [["fsck", "--repair"], ["restore", "b.tar"]]) {
    const { code, stderr } = await user.run([...command, ...where]);
    assertEquals(code, 1);
    assert(
      /^assets-server: The folder .* is in use by another assets-server .* Stop the server first\n$/.test(
        stderr,
      ),
      stderr,
    );
  }
});

Deno.test("the maintenance commands end with 2 for a flag that is wrong and for data that are not there", async () => {
  await using user = await User.create(NOWHERE);
  for (
    const args of [
      ["fsck", "--fast"],
      ["backup"],
      ["restore"],
      ["backup", "-"],
      ["restore", "-"],
      ["fsck", "--data-dir", "nowhere"],
      ["backup", "b.tar", "--data-dir", "nowhere"],
      ["fsck", "--db", ":memory:"],
    ]
  ) {
    const { code, stderr } = await user.run(args);
    assertEquals(code, 2, `${args.join(" ")}: ${stderr}`);
    assertEquals(stderr.trim().split("\n").length, 1);
  }
});
