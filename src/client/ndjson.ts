/** Newline-delimited JSON: one value a line, read as it comes. */

/**
 * The lines of a stream of bytes, without their ends. A last line needs no end.
 *
 * @throws {RangeError} for a line of more than `maxLength` UTF-16 code units, by default 16 MiB
 */
export async function* linesOf(
  stream: ReadableStream<Uint8Array>,
  { maxLength = 16 * 1024 * 1024 } = {},
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  // Pieces of the line that has not ended yet: joined once, so that a long line costs no more than its length.
  let open: string[] = [];
  let openLength = 0;
  for await (const chunk of stream) {
    const pieces = decoder.decode(chunk, { stream: true }).split("\n");
    const rest = pieces.pop() ?? "";
    for (const piece of pieces) {
      open.push(piece);
      yield withoutReturn(open.join(""));
      open = [];
      openLength = 0;
    }
    open.push(rest);
    openLength += rest.length;
    if (openLength > maxLength) throw new RangeError(`A line is longer than ${maxLength} characters.`);
  }
  open.push(decoder.decode());
  const last = open.join("");
  if (last !== "") yield withoutReturn(last);
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
