/** Text cut and padded to columns of a terminal, where a CJK character takes two and a combining mark none. */
import stringWidth from "string-width";

const graphemes = new Intl.Segmenter();

/** How many columns a text takes. */
export function widthOf(text: string): number {
  return /^[ -~]*$/.test(text) ? text.length : stringWidth(text);
}

/** The text, or its beginning and `…`, in at most `columns`. */
export function fitEnd(text: string, columns: number): string {
  return widthOf(text) <= columns ? text : `${startOf(text, columns - 1)}…`;
}

/** The text, or its two ends and `…` between them: for names whose end tells them apart. */
export function fitMiddle(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  const tail = Math.floor((columns - 1) / 2);
  return `${startOf(text, columns - 1 - tail)}…${endOf(text, tail)}`;
}

/** The text with spaces up to `columns`. */
export function pad(text: string, columns: number, side: "left" | "right"): string {
  const spaces = " ".repeat(Math.max(0, columns - widthOf(text)));
  return side === "left" ? text + spaces : spaces + text;
}

function startOf(text: string, columns: number): string {
  let taken = "";
  let width = 0;
  for (const { segment } of graphemes.segment(text)) {
    width += widthOf(segment);
    if (width > columns) break;
    taken += segment;
  }
  return taken;
}

function endOf(text: string, columns: number): string {
  const segments = [...graphemes.segment(text)].map(({ segment }) => segment);
  let start = segments.length;
  for (let width = 0; start > 0; start--) {
    width += widthOf(segments[start - 1] ?? "");
    if (width > columns) break;
  }
  return segments.slice(start).join("");
}
