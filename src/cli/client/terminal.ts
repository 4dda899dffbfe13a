/** What the commands print, and onto what: a terminal of some width, or a pipe. */

const encoder = new TextEncoder();

/** Writes to standard output. */
export async function print(text: string): Promise<void> {
  await writeAll(Deno.stdout, encoder.encode(text));
}

/** Writes to standard error, where everything goes that is not the result. */
export async function note(text: string): Promise<void> {
  await writeAll(Deno.stderr, encoder.encode(text));
}

/** Writes all of it: a pipe may take less at a time. */
export async function writeAll(
  target: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await target.write(bytes.subarray(written));
}

/** The width of the terminal that standard output is; `undefined` if it is none. */
export function outputColumns(): number | undefined {
  return Deno.stdout.isTerminal() ? size().columns : undefined;
}

/** The size of the terminal that standard error is, if lines can be drawn over there. */
export function progressSize(): { columns: number; rows: number } | undefined {
  return Deno.stderr.isTerminal() && Deno.env.get("TERM") !== "dumb" ? size() : undefined;
}

/** A terminal that does not know its size says 0. */
function size(): { columns: number; rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    return { columns: columns || 80, rows: rows || 24 };
  } catch {
    return { columns: 80, rows: 24 };
  }
}

/** Text in bold, on a terminal that may be coloured (https://no-color.org). */
export function bold(text: string): string {
  return Deno.stdout.isTerminal() && !Deno.noColor ? `\x1b[1m${text}\x1b[22m` : text;
}

/**
 * Text that a terminal shows and does not obey: control characters, which could move the cursor or set the title, and marks
 * that turn the direction of what follows are replaced.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");
}

/** As `printable`, with its lines and indentation kept. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/** Asks on the terminal; anything but a yes is a no. */
export async function confirm(question: string): Promise<boolean> {
  await note(`${question} [y/N] `);
  const buffer = new Uint8Array(1024);
  const length = await Deno.stdin.read(buffer);
  if (length === null) await note("\n");
  return /^\s*y(es)?\s*$/i.test(new TextDecoder().decode(buffer.subarray(0, length ?? 0)));
}
