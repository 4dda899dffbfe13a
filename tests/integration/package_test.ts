/** The whole program in a stand-in for Deno's runtime, which cannot run it: what is in it, and what it weighs. */
import { assert, assertEquals } from "@std/assert";
import { compile } from "../../scripts/compile.ts";
import { filesBelow } from "../server/client.ts";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("The executable keeps its budget, and holds the workers and the page, which no import leads to", async () => {
  const folder = await Deno.makeTempDir({ prefix: "package-test-" });
  const before = Deno.env.get("DENORT_BIN");
  Deno.env.set("DENORT_BIN", Deno.execPath());
  try {
    const output = `${folder}/assets-server`;
    assertEquals(await compile({ output }), 0);
    const program = new TextDecoder("latin1").decode(await Deno.readFile(output));
    const named = (await filesBelow(`${ROOT}src`)).filter((path) => /_worker\.ts$|\/src\/web\//.test(path));
    const missing: string[] = [];
    for (const path of named) {
      // As Deno keeps them: by name in a directory, and with their bytes as they are.
      const bytes = new TextDecoder("latin1").decode(await Deno.readFile(path));
      const isIn = program.includes(JSON.stringify(path.split("/").at(-1))) && program.includes(bytes);
      if (!isIn) missing.push(path.slice(ROOT.length));
    }
    assert(named.length >= 3);
    assertEquals(missing, []);
    assert(!program.includes('"axe.min.js"'), "The packages of the tests are in it");
  } finally {
    if (before === undefined) Deno.env.delete("DENORT_BIN");
    else Deno.env.set("DENORT_BIN", before);
    await Deno.remove(folder, { recursive: true });
  }
});
