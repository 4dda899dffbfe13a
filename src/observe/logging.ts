/** Sets logging up: which lines, in which form. */
import {
  ansiColorFormatter,
  configure,
  defaultTextFormatter,
  getJsonLinesFormatter,
  type LogRecord,
  type TextFormatter,
} from "@logtape/logtape";
import type { LogConfig } from "./log_config.ts";
import { LogOutput } from "./log_output.ts";

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
