/** What can be said about logging. It is apart from what does it, which most commands do without. */

/** The forms of a line. */
export const LOG_FORMATS = ["text", "json"] as const;

/** The least weight of a line that is written; in the order of their weights. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;

/** What is logged, and how. */
export interface LogConfig {
  format: typeof LOG_FORMATS[number];
  level: typeof LOG_LEVELS[number];
}
