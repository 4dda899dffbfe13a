import { assertEquals } from "@std/assert";
import { similarWord } from "../../src/cli/similar_word.ts";

const WORDS = ["push", "pull", "rm", "search", "import", "export", "fsck"];

Deno.test("similarWord() forgives two letters, and two that changed places", () => {
  for (
    const [typed, meant] of [["pusj", "push"], ["upll", "pull"], ["serch", "search"], ["imprt", "import"]]
  ) {
    assertEquals(similarWord(typed ?? "", WORDS), meant);
  }
});

Deno.test("similarWord() does not guess", () => {
  for (const typed of ["serve", "ls", "x", "", "frobnicate"]) {
    assertEquals(similarWord(typed, WORDS), undefined);
  }
});
