/** The command line on a terminal (a pty of Debian's `script`), and its completions in bash. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import stringWidth from "string-width";
import { assertOneLine, User } from "../cli/command_line.ts";
import { MeteringProxy } from "../metering_proxy.ts";
import { namesOf, uploaded } from "../server/client.ts";
import { startTestServer, type TestServer } from "../server/harness.ts";

const MIB = 2 ** 20;

/** A terminal to run a command in. */
interface Terminal {
  columns?: number;
  /** What is typed. */
  input?: string;
  env?: Record<string, string>;
}

/** Runs a command in a pty; everything that appeared, and the exit code. */
async function inTerminal(
  user: User,
  args: string[],
  { columns = 80, input, env }: Terminal = {},
): Promise<{ code: number; screen: string }> {
  const words = args.map((arg) => `'${arg}'`).join(" ");
  const line = `stty cols ${columns} rows 24 -echo; ${user.shellCommand} ${words}`;
  const child = user.command("script", ["-q", "-e", "-c", line, "/dev/null"], {
    env: { TERM: "xterm", ...env },
    stdin: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const screen = new Response(child.stdout).text();
  if (input !== undefined) await writer.write(new TextEncoder().encode(input));
  const { code } = await child.status;
  await writer.close().catch(() => {});
  await child.stderr.cancel();
  return { code, screen: await screen };
}

/** The lines of a screen without their styles. */
function linesOf(screen: string): string[] {
  // deno-lint-ignore no-control-regex
  return screen.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "").split(/[\r\n]+/).filter((line) => line !== "");
}

async function fill(server: TestServer): Promise<void> {
  const tags = { asset_tags: ["自然言語", "a-tag-of-some-length", "another-one"] };
  const names = [
    "大規模言語モデル・とても長い名前のモデル",
    "한국어 모델 이름이 아주 길어요 정말로",
    "👩‍👩‍👧‍👦 family models",
    "short",
  ];
  for (const name of names) {
    await uploaded(server, "x".repeat(1234), { name, fileType: "application/octet-stream", more: tags });
  }
}

for (const columns of [80, 40]) {
  Deno.test(`A table fits a terminal of ${columns} columns, with wide characters too`, async () => {
    await using server = await startTestServer();
    await using user = await User.create(server);
    await fill(server);
    const { code, screen } = await inTerminal(user, ["search"], { columns });
    assertEquals(code, 0);
    const lines = linesOf(screen);
    assertEquals(lines.length, 5, screen);
    for (const line of lines) assert(stringWidth(line) <= columns, `${stringWidth(line)} columns: ${line}`);
    assertMatch(lines[0] ?? "", columns === 80 ? /^URI +SIZE +TYPE +TAGS$/ : /^URI +SIZE/);
    // The ends of names tell versions apart: they stay.
    for (const line of lines.slice(1)) assertMatch(line, /initial +1\.2 kB/);
    const sizesEnd = new Set(lines.map((line) => stringWidth(line.replace(/(SIZE|kB).*$/, "$1"))));
    assertEquals(sizesEnd.size, 1, `The sizes do not stand under each other:\n${lines.join("\n")}`);
  });
}

Deno.test("A terminal gets bold titles, and none with NO_COLOR; an empty table says so", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  assert((await inTerminal(user, ["search"])).screen.includes("Nothing was found."));
  await uploaded(server, "x");
  assert((await inTerminal(user, ["search"])).screen.includes("\x1b[1m"));
  const plain = (await inTerminal(user, ["search"], { env: { NO_COLOR: "1" } })).screen;
  // Deno itself moves the cursor when it starts; styles end in "m".
  // deno-lint-ignore no-control-regex
  assert(!/\x1b\[[\d;]*m/.test(plain), JSON.stringify(plain));
});

Deno.test("A long table ends at 50 rows and says how to see all", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  for (let n = 0; n < 60; n++) await uploaded(server, "x", { name: `n${n}` });
  const { screen } = await inTerminal(user, ["search"]);
  assertEquals(linesOf(screen).length, 52);
  assert(screen.includes("50 of 60 assets; --limit 60 shows all."), screen);
});

Deno.test("push draws a bar with speed and time left, in as many columns as there are", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await user.write("モデル.bin", new Uint8Array(300 * MIB));
  for (const columns of [100, 40]) {
    const { code, screen } = await inTerminal(user, ["push", "モデル.bin", "--tag", `t${columns}`], {
      columns,
    });
    assertEquals(code, 0, screen);
    const drawn = linesOf(screen).map((line) => line.trimEnd());
    for (const line of drawn) assert(stringWidth(line) < columns, `${stringWidth(line)} columns: ${line}`);
    assert(drawn.some((line) => / \d+ % .*\d+:\d\d left$/.test(line)), drawn.join("\n"));
    if (columns === 100) {
      assert(drawn.some((line) => /━.* \d+(\.\d)? MB of 315 MB {2}[\d.]+ .?B\/s/.test(line)), screen);
    }
    assertEquals(drawn.at(-1), `モデル.bin:1.0-t${columns}`);
  }
});

Deno.test("rm asks on a terminal, and a no keeps the asset", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await uploaded(server, "hello");
  const kept = await inTerminal(user, ["rm", "Sample:1.0-initial"], { input: "n\n" });
  assertEquals(kept.code, 1);
  assert(kept.screen.includes("Remove Sample:1.0-initial and its file (5 B)? [y/N]"), kept.screen);
  assertEquals(await namesOf(server, {}), ["Sample"]);
  assertEquals((await inTerminal(user, ["rm", "Sample:1.0-initial"], { input: "y\n" })).code, 0);
  assertEquals(await namesOf(server, {}), []);
});

Deno.test("Ctrl-C on a terminal ends a push of 300 MB that goes on the next time", async () => {
  await using server = await startTestServer();
  await using proxy = new MeteringProxy(server.url);
  await using user = await User.create(proxy);
  await user.write("a.bin", new Uint8Array(300_000_000));
  const line = `${user.shellCommand} push a.bin`;
  const child = user.command("script", ["-q", "-e", "-c", line, "/dev/null"], {
    stdin: "piped",
    env: { TERM: "xterm" },
  })
    .spawn();
  const writer = child.stdin.getWriter();
  const screen = new Response(child.stdout).text();
  await proxy.until(() => proxy.sentBytes > 40 * MIB);
  await writer.write(new Uint8Array([3]));
  assertEquals((await child.status).code, 130);
  await writer.close().catch(() => {});
  await child.stderr.cancel();
  assert(linesOf(await screen).at(-1)?.startsWith("assets-server: Interrupted. "), await screen);
  const before = proxy.sentBytes;
  const resumed = await inTerminal(user, ["push", "a.bin"]);
  assertEquals(resumed.code, 0, resumed.screen);
  assertMatch(resumed.screen, /went on at \d+(\.\d)? MB/);
  assert(proxy.sentBytes - before < 300_000_000 - 8 * MIB, "It began anew");
  assertEquals(await namesOf(server, { "asset_file_info.file_size": 300_000_000 }), ["a.bin"]);
});

Deno.test("push of 300 MB, killed twice, sends no byte twice", async () => {
  await using server = await startTestServer();
  await using proxy = new MeteringProxy(server.url);
  await using user = await User.create(proxy);
  const sizeBytes = 300_000_000;
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  {
    using file = await Deno.create(`${user.folder}/big.bin`);
    for (let n = 0; n < sizeBytes / bytes.length; n++) await file.write(bytes);
  }
  for (const mark of [80, 180]) {
    const { child, said } = user.start(["push", "big.bin"]);
    await proxy.until(() => proxy.sentBytes > mark * MIB);
    child.kill("SIGKILL");
    await said;
    await proxy.until(() => proxy.isIdle);
  }
  const before = proxy.sentBytes;
  const { resumed_at, sha256, id } = JSON.parse(await user.succeed(["push", "big.bin", "--json"]));
  assert(resumed_at > 100 * MIB, `${resumed_at}`);
  assertEquals(proxy.sentBytes - before < sizeBytes - resumed_at + 64 * 1024, true);
  const head = await fetch(`${server.url}/asset-object/${id}`, { method: "HEAD" });
  assertEquals(head.headers.get("ETag"), `"${sha256}"`);
  assertEquals(head.headers.get("Content-Length"), String(sizeBytes));
});

Deno.test("The completions for bash parse, and complete commands, their commands, flags and files", async () => {
  await using user = await User.create({ url: "http://127.0.0.1:9" });
  await user.write("completions.bash", await user.succeed(["completions", "bash"]));
  await user.write("a file.bin", "x");
  const parsed = await user.command("bash", ["-n", "completions.bash"]).output();
  assertEquals(parsed.code, 0);
  const complete = async (...words: string[]) => {
    const script = `source completions.bash; COMP_WORDS=(assets-server "$@"); COMP_CWORD=$#; _assets_server
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await user.command("bash", ["-c", script, "bash", ...words]).output();
    return new TextDecoder().decode(stdout).trimEnd().split("\n");
  };
  assertEquals(await complete("pu"), ["push", "pull"]);
  assertEquals(await complete("registry", ""), ["add", "ls", "rm", "check", "search"]);
  assertEquals(await complete("--server", "x", "registry", "ch"), ["check"]);
  assertEquals(await complete("push", "--par"), ["--parallel"]);
  assertEquals(await complete("push", "a"), ["a file.bin"]);
  assertEquals(await complete("completions", "z"), ["zsh"]);
  assertOneLine(await user.run(["completions", "tcsh"]), 2, "tcsh", "bash");
});

Deno.test("The completions for zsh parse, and name the commands", async () => {
  await using user = await User.create({ url: "http://127.0.0.1:9" });
  await user.write("_assets-server", await user.succeed(["completions", "zsh"]));
  const { code, stderr } = await user.command("zsh", ["-n", "_assets-server"]).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  // zsh completes in an editor alone: one in a terminal of its own is told to.
  const line =
    "autoload -U compinit; compinit -u; source ./_assets-server; bindkey '^I' complete-word; echo READY";
  const typed = `${line}\nassets-server regi\t\x01echo COMPLETED: \n exit\n`;
  const child = user.command("script", ["-q", "-c", "zsh -f", "/dev/null"], {
    env: { TERM: "dumb", PS1: "> " },
    stdin: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  for (const key of typed) {
    await writer.write(new TextEncoder().encode(key));
    // As fast as a person, or else compinit takes what is meant for the prompt.
    if (key === "\n" || key === "\t") await new Promise((resolve) => setTimeout(resolve, 700));
  }
  const screen = await new Response(child.stdout).text();
  await writer.close().catch(() => {});
  await child.stderr.cancel();
  await child.status;
  assert(/COMPLETED: assets-server registry/.test(screen), screen);
});

Deno.test("The completions for fish parse, and complete commands, their commands and flags", async () => {
  await using user = await User.create({ url: "http://127.0.0.1:9" });
  await user.write("assets-server.fish", await user.succeed(["completions", "fish"]));
  const complete = async (line: string) => {
    const script = `source assets-server.fish; complete -C ${JSON.stringify(line)}`;
    const { stdout, stderr } = await user.command("fish", ["--no-config", "-c", script]).output();
    assertEquals(new TextDecoder().decode(stderr), "");
    return new TextDecoder().decode(stdout).trimEnd().split("\n").map((one) => one.split("\t", 1)[0]);
  };
  assertEquals((await complete("assets-server pu")).sort(), ["pull", "push"]);
  assertEquals((await complete("assets-server registry ")).sort(), ["add", "check", "ls", "rm", "search"]);
  assertEquals(await complete("assets-server push --par"), ["--parallel"]);
});

Deno.test("A reader that has seen enough ends export without a complaint", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  const more = { asset_metadata: { filling: "x".repeat(100_000) } };
  for (let n = 0; n < 20; n++) await uploaded(server, "x", { name: `n${n}`, more });
  const piped = user.command("bash", [
    "-c",
    `${user.shellCommand} export | head -c 10; echo " \${PIPESTATUS[0]}"`,
  ]);
  const { stdout, stderr: complaints } = await piped.output();
  const text = new TextDecoder();
  assertEquals([text.decode(stdout), text.decode(complaints)], ['{"asset_ur 0\n', ""]);
});
