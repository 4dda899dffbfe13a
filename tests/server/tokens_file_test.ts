/** Tokens in a file: at start, and again on SIGHUP. */
import { assert, assertEquals } from "@std/assert";
import { send } from "./client.ts";
import { json } from "./harness.ts";
import { newFolder, type Program, removeFolders, run, start } from "./program.ts";

Deno.test.afterAll(removeFolders);

/** What a caller with this token gets who reads, and who writes. */
async function statusesOf(program: Program, token: string): Promise<[number, number]> {
  const headers = { Authorization: `Bearer ${token}` };
  const read = await send(program, "/assets", json("POST", {}, headers));
  const write = await send(program, "/asset/A:1-t", { method: "DELETE", headers });
  return [read.status, write.status];
}

async function tokensFile(text: string): Promise<string> {
  const path = `${await newFolder()}/tokens`;
  await Deno.writeTextFile(path, text, { mode: 0o600 });
  return path;
}

Deno.test("--auth-tokens-file adds named tokens to those of the environment, and SIGHUP reads it again", async () => {
  const path = await tokensFile("ci write SECRET-ci\ndash read SECRET-dash\n");
  const flags = ["--port", "0", "--data-dir", await newFolder(), "--auth-tokens-file", path];
  await using program = await start(flags, { AUTH_WRITE_TOKEN: "SECRET-env" });
  assertEquals(await statusesOf(program, "SECRET-ci"), [200, 404]);
  assertEquals(await statusesOf(program, "SECRET-env"), [200, 404]);
  assertEquals(await statusesOf(program, "SECRET-dash"), [200, 403]);
  assertEquals(await statusesOf(program, "SECRET-new"), [401, 401]);

  await Deno.writeTextFile(path, "ci write SECRET-new\ndash read SECRET-dash\n");
  program.child.kill("SIGHUP");
  await program.says("The tokens were read again");
  assertEquals(await statusesOf(program, "SECRET-new"), [200, 404]);
  assertEquals(await statusesOf(program, "SECRET-env"), [200, 404]);
  assertEquals(await statusesOf(program, "SECRET-ci"), [401, 401]);

  await Deno.writeTextFile(path, "ci write\nSECRET-other\n");
  program.child.kill("SIGHUP");
  await program.says("The tokens stay as they were");
  assertEquals(await statusesOf(program, "SECRET-new"), [200, 404]);
  assertEquals(await statusesOf(program, "SECRET-other"), [401, 401]);

  program.child.kill("SIGTERM");
  assertEquals((await program.child.status).code, 0);
  const said = await program.output + await program.errors;
  assert(!said.includes("SECRET"), said);
});

Deno.test("A tokens file that is malformed or not there ends the program with exit code 2 and one line", async () => {
  const path = await tokensFile("ci write\nSECRET\n");
  for (const file of [path, `${path}-not-there`]) {
    const flags = ["--port", "0", "--data-dir", await newFolder()];
    const { code, stdout, stderr } = await run(flags, { AUTH_TOKENS_FILE: file });
    assertEquals([code, stdout], [2, ""], stderr);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    assert(stderr.includes(file) && !stderr.includes("SECRET"), stderr);
  }
});

Deno.test("A tokens file that others can read is warned about", async () => {
  const path = await tokensFile("ci write SECRET\n");
  await Deno.chmod(path, 0o644);
  await using program = await start([
    "--port",
    "0",
    "--data-dir",
    await newFolder(),
    "--auth-tokens-file",
    path,
  ]);
  await program.says("chmod 600");
});

Deno.test("A server that listens beyond this machine warns at start, unless a write token is needed", async () => {
  const start0 = async (host: string, env: Record<string, string>) => {
    await using program = await start(["--port", "0", "--host", host, "--data-dir", await newFolder()], env);
    program.child.kill("SIGTERM");
    await program.child.status;
    return (await program.errors).includes("anybody who can reach");
  };
  assertEquals(await start0("0.0.0.0", {}), true);
  assertEquals(await start0("0.0.0.0", { AUTH_WRITE_TOKEN: "w" }), false);
  // Without a write token nothing can be changed then.
  assertEquals(await start0("0.0.0.0", { AUTH_READ_TOKEN: "r" }), false);
  assertEquals(await start0("127.0.0.1", {}), false);
});
