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
  /** Smallest first: of the group `objects` bytes of files, of `queries` numbers of assets. Without it every group has its own. */
  sizes: number[] | undefined;
  /** Where files are kept; empty means everywhere. */
  places: string[];
  /** Where the outcome goes as JSON as well. */
  jsonFile: string | undefined;
}

/** Where the group `objects` can keep files. */
const PLACES = ["disk", "MinIO", "Ceph"];

/** The explanation for `--help`. */
export const USAGE = `deno task bench [groups…] [--rounds N] [--seconds N] [--sizes LIST] [--places disk,…]
                            [--json FILE]

Measures the server next to what the machine and the runtime allow. Groups: http, objects, queries, global; all
without names.

  --rounds N    how often everything is measured; the median counts (http 5, the others 3)
  --seconds N   how long one round of requests takes (3)
  --sizes LIST  the files of the group objects (64MiB,1GiB), the numbers of assets of the group queries
                (1000,100000,1000000); FerretDB is compared with if it is installed
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
      sizes: { type: "string" },
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
    sizes: values.sizes?.split(",").map(sizeOf).sort((a, b) => a - b),
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

function sizeOf(text: string): number {
  const size = parseSizeBytes(text);
  if (!size) throw new Error(`--sizes must be sizes such as 64MiB or 1000, not "${text}".`);
  return size;
}
