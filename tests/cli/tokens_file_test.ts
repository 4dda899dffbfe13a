import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConfigError } from "../../src/cli/config.ts";
import { parseTokens, readTokensFile } from "../../src/cli/tokens_file.ts";

Deno.test("parseTokens() takes a token a line and skips empty lines and comments", () => {
  const text = "# who may with\n\nci-pipeline write s3cr=t\r\n  dashboard\tread  other \n";
  assertEquals(parseTokens(text, "f"), [
    { name: "ci-pipeline", access: "write", token: "s3cr=t" },
    { name: "dashboard", access: "read", token: "other" },
  ]);
});

const REFUSED: [string, string, RegExp][] = [
  ["an empty file", "", /has no token in it/],
  ["a file of comments", "# a read SECRET1\n", /has no token in it/],
  ["a line of two words", "a SECRET1", /line 1 has 2 words/],
  ["a line of four words", "a read SECRET1 SECRET2", /line 1 has 4 words/],
  ["another access", "# x\na admin SECRET1", /line 2 must have read or write/],
  ["a name with odd characters", "a/b read SECRET1", /line 1 has a name/],
  ["a name of 65 characters", `${"a".repeat(65)} read SECRET1`, /line 1 has a name/],
  ["a token beyond ASCII", "a read SECRET1é", /line 1 has a token with a character/],
  ["a name twice", "a read SECRET1\na write SECRET2", /line 2 has a name that an earlier/],
  ["a token twice", "a read SECRET1\nb write SECRET1", /line 2 has a token that an earlier/],
  ["JSON", '{"a": "SECRET1"}', /line 1 has 2 words/],
];

for (const [what, text, message] of REFUSED) {
  Deno.test(`parseTokens() refuses ${what} in one line that tells no token`, () => {
    const error = assertThrows(() => parseTokens(text, "/etc/tokens"), ConfigError);
    assert(message.test(error.message), error.message);
    assert(
      error.message.includes("/etc/tokens") && error.message.includes("--auth-tokens-file"),
      error.message,
    );
    assert(!/SECRET|\n/.test(error.message), error.message);
  });
}

Deno.test("readTokensFile() tells whether others can read the file", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "a read SECRET1\n");
    await Deno.chmod(path, 0o600);
    assertEquals((await readTokensFile(path)).isExposed, false);
    await Deno.chmod(path, 0o640);
    assertEquals((await readTokensFile(path)).isExposed, true);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("readTokensFile() refuses a folder, a file that is not there, and one that is far too large", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/large`, "a read SECRET1\n".repeat(10_000));
    for (const path of [folder, `${folder}/nothing`, `${folder}/large`]) {
      const error = await assertRejects(() => readTokensFile(path), ConfigError);
      assert(error.message.includes(path), error.message);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
