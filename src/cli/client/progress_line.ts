/** What the terminal shows of one file on its way. */
import { formatDuration } from "./quantities.ts";
import { fitMiddle, pad, widthOf } from "./text_width.ts";

/** Speed is what the last seconds say: a stop shows soon, a jitter does not. */
const SPEED_WINDOW_MS = 5000;

/** A file on its way. */
export interface ProgressLine {
  name: string;
  phase: string;
  /** Or whatever else is counted, such as documents. */
  bytes: number;
  sizeBytes: number | undefined;
  format: (bytes: number) => string;
  samples: { atMs: number; bytes: number }[];
}

/** The line, in at most `columns` columns of the terminal. Notes how far the file is, for its speed. */
export function lineText(line: ProgressLine, columns: number): string {
  const { name, phase, bytes, sizeBytes, format } = line;
  const speed = speedOf(line);
  const known = sizeBytes === undefined ? format(bytes) : `${format(bytes)} of ${format(sizeBytes)}`;
  const share = sizeBytes ? Math.min(bytes / sizeBytes, 1) : 0;
  const percent = sizeBytes ? `${Math.floor(share * 100)} %` : "";
  const left = speed > 0 && sizeBytes ? `${formatDuration((sizeBytes - bytes) / speed)} left` : "";
  const facts = [phase, percent, known, speed > 0 ? `${format(speed)}/s` : "", left];
  let text = facts.filter((fact) => fact !== "").join("  ");
  // In a narrow terminal: what is known is worth more than the name, and the bar least.
  const last = columns - 1;
  if (widthOf(text) > last - 10) text = [phase, percent, left].filter((fact) => fact !== "").join("  ");
  const room = last - widthOf(text) - 2;
  const barColumns = sizeBytes && room >= 34 ? Math.min(24, room - 22) : 0;
  const bar = barColumns === 0 ? "" : `  ${barOf(share, barColumns)}`;
  const nameColumns = Math.max(0, room - (barColumns === 0 ? 0 : barColumns + 2));
  return `${pad(fitMiddle(name, nameColumns), Math.min(nameColumns, 24), "left")}${bar}  ${text}`.slice(
    0,
    columns * 4,
  );
}

function barOf(share: number, columns: number): string {
  const full = Math.round(share * columns);
  return "━".repeat(full) + "╌".repeat(columns - full);
}

/** Bytes a second over the last seconds; 0 while that is not known. */
function speedOf({ samples, bytes }: ProgressLine, nowMs = performance.now()): number {
  samples.push({ atMs: nowMs, bytes });
  while (samples[0] && nowMs - samples[0].atMs > SPEED_WINDOW_MS) samples.shift();
  const [first] = samples;
  return first && nowMs - first.atMs > 500 ? (bytes - first.bytes) * 1000 / (nowMs - first.atMs) : 0;
}
