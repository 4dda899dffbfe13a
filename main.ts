/** The executable: parses the command line and runs one command. */
import { runProgram } from "./src/cli/program.ts";

Deno.exit(await runProgram(Deno.args));
