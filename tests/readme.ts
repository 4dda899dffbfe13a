/** The README as tests read it: what it shows has to work. */

/** A fenced block. */
export interface ReadmeBlock {
  /** The heading that it stands under. */
  heading: string;
  language: string;
  text: string;
}

/** All fenced blocks, in order. */
export async function readmeBlocks(): Promise<ReadmeBlock[]> {
  const text = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  const blocks: ReadmeBlock[] = [];
  let heading = "";
  for (const [, title, language, body] of text.matchAll(/^#+ (.*)$|^ *```(\w+)\n([^]*?)^ *```$/gm)) {
    if (title !== undefined) heading = title;
    else blocks.push({ heading, language: language ?? "", text: body ?? "" });
  }
  return blocks;
}

/** The only block of a language under a heading. */
export async function readmeBlock(heading: string, language: string): Promise<string> {
  const found = (await readmeBlocks()).filter((one) => one.heading === heading && one.language === language);
  const [block] = found;
  if (!block || found.length !== 1) {
    throw new Error(`${found.length} blocks of ${language} under "${heading}"`);
  }
  return block.text;
}
