/** What somebody may have meant. */

/** More letters than these differ in another word. */
const MOST_EDITS = 2;

/** The word that is most like `typed`; `undefined` if none is like it. */
export function similarWord(typed: string, words: readonly string[]): string | undefined {
  const [nearest] = words
    .map((word) => ({ word, edits: editDistance(typed, word) }))
    // Of a short word two letters are most of it.
    .filter(({ word, edits }) => edits <= MOST_EDITS && edits < word.length / 2 + 0.5)
    .sort((a, b) => a.edits - b.edits);
  return nearest?.word;
}

/** How many letters are to be added, removed or replaced (Levenshtein), with two that changed places as one edit. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? Infinity;
  for (let row = 1; row <= a.length; row++) {
    const line = [row];
    rows.push(line);
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      const hasSwapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] &&
        a[row - 2] === b[column - 1];
      line.push(Math.min(
        at(row - 1, column) + 1,
        at(row, column - 1) + 1,
        at(row - 1, column - 1) + (isSame ? 0 : 1),
        hasSwapped ? at(row - 2, column - 2) + 1 : Infinity,
      ));
    }
  }
  return at(a.length, b.length);
}
