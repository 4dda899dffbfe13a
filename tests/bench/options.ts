/** The command line of the bench. */
import { parseArgs } from "node:util";
import { parseSizeBytes } from "../../src/cli/units.ts";

/** What is measured, and how. */
export interface BenchOptions {
  /** The groups; empty means all. */
  groups: string[];
  /** Without it every group has its own. */
  rounds: number | undefined;
  /** How long one round of requests takes. */
  seconds: number;
  /** The sizes of the files that go up and down, smallest first, in bytes. */
  sizesBytes: number[];
  /** Where files are kept; empty means everywhere. */
  places: string[];
  /** Where the outcome goes as JSON as well. */
  jsonFile: string | undefined;
}

/** Where the group `objects` can keep files. */
const PLACES = ["disk", "MinIO", "Ceph"];

const DEFAULT_SIZES = "64MiB,1GiB";

/** The explanation for `--help`. */
export const USAGE =
  `deno task bench [groups…] [--rounds N] [--seconds N] [--sizes 64MiB,1GiB] [--places disk,…]
                            [--json FILE]

Measures the server next to what the machine and the runtime allow. Groups: http, objects; all without names.

  --rounds N    how often everything is measured; the median counts (http 5, objects 3)
  --seconds N   how long one round of requests takes (3)
  --sizes LIST  the files of the group objects (${DEFAULT_SIZES})
  --places LIST where the group objects keeps them: disk, MinIO, Ceph (all that are installed, see
                scripts/services/install.sh); nginx, s3cmd and rclone are compared with if they are installed
  --json FILE   writes the outcome there as well
`;

/**
 * Reads the command line; `"help"` if that is what it asks for.
 *
 * @throws {Error} with one line that names what makes no sense
 */
export function parseOptions(args: string[], known: string[]): BenchOptions | "help" {
  const { values, positionals: groups } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    allowPositionals: true,
    options: {
      rounds: { type: "string" },
      seconds: { type: "string", default: "3" },
      sizes: { type: "string", default: DEFAULT_SIZES },
      places: { type: "string", default: "" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  for (const group of groups) {
    if (!known.includes(group)) {
      throw new Error(`There is no group "${group}"; there are ${known.join(", ")}.`);
    }
  }
  return {
    groups,
    rounds: values.rounds === undefined ? undefined : positive("--rounds", values.rounds),
    seconds: positive("--seconds", values.seconds),
    sizesBytes: values.sizes.split(",").map(sizeBytes).sort((a, b) => a - b),
    places: values.places.split(",").filter((place) => place !== "").map((place) => knownPlace(place)),
    jsonFile: values.json,
  };
}

function knownPlace(name: string): string {
  const place = PLACES.find((one) => one.toLowerCase() === name.toLowerCase());
  if (place === undefined) throw new Error(`There is no place "${name}"; there are ${PLACES.join(", ")}.`);
  return place;
}

function positive(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${option} must be a whole number above 0, not "${text}".`);
  return Number(text);
}

function sizeBytes(text: string): number {
  const bytes = parseSizeBytes(text);
  if (!bytes) throw new Error(`--sizes must be sizes such as 64MiB, not "${text}".`);
  return bytes;
}
