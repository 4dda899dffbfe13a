/** Sets logging up: which lines, in which form. */
import {
  ansiColorFormatter,
  configure,
  defaultTextFormatter,
  getJsonLinesFormatter,
  type LogRecord,
  type TextFormatter,
} from "@logtape/logtape";
import { LogOutput } from "./log_output.ts";

/** The forms of a line. */
export const LOG_FORMATS = ["text", "json"] as const;

/** The least weight of a line that is written; in the order of their weights. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;

/** What is logged, and how. */
export interface LogConfig {
  format: typeof LOG_FORMATS[number];
  level: typeof LOG_LEVELS[number];
}

/** Has everything that this program says go to stderr. */
export async function logToStderr({ format, level }: LogConfig): Promise<LogOutput> {
  const output = new LogOutput(Deno.stderr);
  const formatter = formatterOf(format);
  const stderr = (record: LogRecord) =>
    output.write(formatter(record), record.level !== "info" && record.level !== "debug");
  await configure({
    sinks: { stderr },
    loggers: [
      { category: "assets-server", lowestLevel: level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
    ],
  });
  return output;
}

function formatterOf(format: LogConfig["format"]): TextFormatter {
  if (format === "json") return getJsonLinesFormatter({ properties: "flatten" });
  return Deno.stderr.isTerminal() && !Deno.noColor ? ansiColorFormatter : defaultTextFormatter;
}
