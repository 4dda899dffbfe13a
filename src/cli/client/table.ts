/** Rows as a table that fits a terminal. */
import { fitEnd, fitMiddle, pad, widthOf } from "./text_width.ts";
import { bold, printable } from "./terminal.ts";

/** A column. */
export interface Column {
  title: string;
  /** Where numbers stand. Default: left. */
  align?: "left" | "right";
  /** Where a text that is too long loses what: at its end, or in its middle. Default: end. */
  cut?: "end" | "middle";
}

const GAP = "  ";

/** Narrower than this, a column says nothing any more. */
const MIN_COLUMNS = 12;

/** The first column names the row: the others make room for it, and go rather than leave it less than this. */
const MIN_FIRST_COLUMNS = 26;

/**
 * The lines of a table, its head first. What does not fit is cut with `…`; when even that is not enough, the last columns
 * are left out.
 *
 * @param columns the width of the terminal
 */
export function tableLines(head: Column[], rows: string[][], columns: number): string[] {
  const shown = rows.map((row) => row.map(printable));
  const natural = head.map(({ title }, index) =>
    shown.reduce((widest, row) => Math.max(widest, widthOf(row[index] ?? "")), widthOf(title))
  );
  const widths = fitted(natural, columns);
  const line = (cells: string[]) =>
    widths.map((width, index) => {
      const { align = "left", cut = "end" } = head[index] ?? {};
      const text = cells[index] ?? "";
      return pad(cut === "middle" ? fitMiddle(text, width) : fitEnd(text, width), width, align);
    }).join(GAP).trimEnd();
  return [bold(line(head.map(({ title }) => title))), ...shown.map(line)];
}

/** Widths whose sum fits, of as many of the columns as can be shown. */
function fitted(natural: number[], columns: number): number[] {
  for (let shown = natural.length; shown > 1; shown--) {
    const [first = 0, ...rest] = natural.slice(0, shown);
    const room = columns - GAP.length * (shown - 1);
    const others = shrunk(rest, room - first, MIN_COLUMNS);
    const left = room - others.reduce((sum, width) => sum + width, 0);
    if (left >= Math.min(first, MIN_FIRST_COLUMNS)) return [Math.min(first, left), ...others];
  }
  return natural.slice(0, 1).map((width) => Math.min(width, columns));
}

/** The widths, the widest made narrower until their sum is `room` or none is wider than `least`. */
function shrunk(widths: number[], room: number, least: number): number[] {
  const result = [...widths];
  while (true) {
    const excess = result.reduce((sum, width) => sum + width, 0) - room;
    const widest = Math.max(0, ...result);
    if (excess <= 0 || widest <= least) return result;
    const next = Math.max(least, ...result.filter((width) => width < widest));
    result[result.indexOf(widest)] = Math.max(widest - excess, Math.min(next, widest - 1));
  }
}
