import { assertEquals } from "@std/assert";
import { SavedStates, savedStates } from "../../../src/cli/client/saved_state.ts";

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "saved-state-test-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("SavedStates keeps, replaces and removes, for the user alone", async () => {
  await withFolder(async (folder) => {
    const states = new SavedStates(`${folder}/new/one`);
    assertEquals(await states.read("k"), undefined);
    assertEquals(await states.write("k", { a: 1 }), true);
    await states.write("k", { a: 2 });
    assertEquals(await states.read("k"), { a: 2 });
    if (Deno.build.os !== "windows") {
      const { mode } = await Deno.stat(`${folder}/new/one/k.json`);
      assertEquals((mode ?? 0) & 0o777, 0o600);
    }
    await states.remove("k");
    assertEquals(await Array.fromAsync(Deno.readDir(`${folder}/new/one`)), []);
  });
});

Deno.test("SavedStates takes a broken state for none", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/k.json`, '{"a":');
    assertEquals(await new SavedStates(folder).read("k"), undefined);
  });
});

Deno.test("SavedStates forgets what is older than eight days", async () => {
  await withFolder(async (folder) => {
    const states = new SavedStates(folder);
    await states.write("k", { a: 1 });
    await states.removeOld(Date.now() + 7 * 24 * 3_600_000);
    assertEquals(await states.read("k"), { a: 1 });
    await states.removeOld(Date.now() + 8.1 * 24 * 3_600_000);
    assertEquals(await states.read("k"), undefined);
  });
});

Deno.test("Without a folder SavedStates keeps nothing, and says so", async () => {
  const states = savedStates("uploads", () => undefined);
  assertEquals(await states.write("k", { a: 1 }), false);
  assertEquals(await states.read("k"), undefined);
  await states.remove("k");
  await states.removeOld();
});

Deno.test("The states are in XDG_STATE_HOME if it is absolute, else below HOME", async () => {
  await withFolder(async (folder) => {
    for (const [name, path] of [["XDG_STATE_HOME", folder], ["HOME", `${folder}/.local/state`]] as const) {
      const states = savedStates("downloads", (asked) => asked === name ? folder : undefined);
      await states.write("k", { a: name });
      assertEquals(JSON.parse(await Deno.readTextFile(`${path}/assets-server/downloads/k.json`)), {
        a: name,
      });
    }
  });
});

Deno.test("SavedStates.keyOf() tells apart whatever differs", () => {
  const keys = [["a", 1], ["a", "1"], ["a", 1, {}], [["a"], 1]].map((identity) =>
    SavedStates.keyOf(identity)
  );
  assertEquals(new Set(keys).size, 4);
});
