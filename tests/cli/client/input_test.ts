/** What is said of files that cannot be written. */
import { assertEquals, assertRejects } from "@std/assert";
import { makeFolder, outputError } from "../../../src/cli/client/input.ts";
import { ConfigError } from "../../../src/cli/config.ts";

/** Why a file cannot be opened to be written. */
async function failureOf(path: string): Promise<Error> {
  const failure = await Deno.open(path, { create: true, write: true }).then(
    (file) => file.close(),
    (error) => error,
  );
  return outputError(failure, path);
}

Deno.test("outputError() names the folder that is not there, or is none", async () => {
  const folder = await Deno.makeTempDir({ prefix: "input-test-" });
  try {
    await Deno.writeTextFile(`${folder}/file`, "");
    const failures = [await failureOf(`${folder}/no/x`), await failureOf(`${folder}/file/x`)];
    assertEquals(failures.map(({ message }) => message), [
      `There is no folder "${folder}/no"`,
      `"${folder}/file" is no folder`,
    ]);
    assertEquals(failures.every((failure) => failure instanceof ConfigError), true);
    assertEquals((await failureOf(folder)).message, `"${folder}" is a folder`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("makeFolder() makes folders, and says where a file is in their place", async () => {
  const folder = await Deno.makeTempDir({ prefix: "input-test-" });
  try {
    await makeFolder(`${folder}/a/b`);
    await makeFolder(`${folder}/a/b`);
    await Deno.writeTextFile(`${folder}/file`, "");
    for (const path of [`${folder}/file`, `${folder}/file/a`]) {
      await assertRejects(() => makeFolder(path), ConfigError, `"${path}" is no folder`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
