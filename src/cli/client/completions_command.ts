/** `assets-server completions`: scripts for shells, made from the commands as they are. */
import { Argument, type Command } from "commander";
import { print } from "./terminal.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = typeof SHELLS[number];

/** A command as a completion knows it. */
interface Completed {
  /** The words that lead to it, without the program's own: `["registry", "add"]`. */
  words: string[];
  commands: { name: string; about: string }[];
  options: { flags: string[]; takesValue: boolean; about: string }[];
  /** Words that its argument can be. */
  choices: readonly string[];
}

const EXAMPLES = `
Examples:
  source <(assets-server completions bash)                                         for this shell
  assets-server completions bash > ~/.local/share/bash-completion/completions/assets-server
  assets-server completions zsh > "\${fpath[1]}/_assets-server"
  assets-server completions fish > ~/.config/fish/completions/assets-server.fish`;

/** Adds the command. */
export function addCompletionsCommand(program: Command): void {
  program.command("completions")
    .summary("print a script that completes commands and flags in a shell")
    .description("Prints a script that completes commands, flags and files in a shell.")
    .helpOption("--help", "print this help")
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .addHelpText("after", EXAMPLES)
    .action(async (shell: Shell) => {
      await print(completionScript(program, shell));
    });
}

/** The script for a shell. */
export function completionScript(program: Command, shell: Shell): string {
  const commands = completedOf(program, []);
  switch (shell) {
    case "bash":
      return bashScript(program.name(), commands);
    case "zsh":
      return zshScript(program.name(), commands);
    case "fish":
      return fishScript(program.name(), commands);
  }
}

function completedOf(command: Command, words: string[]): Completed[] {
  const options = command.createHelp().visibleOptions(command).map((option) => ({
    flags: [option.short, option.long].filter((flag) => typeof flag === "string"),
    takesValue: option.required || option.optional,
    about: firstWords(option.description),
  }));
  const commands = command.commands.map((one) => ({
    name: one.name(),
    about: firstWords(one.summary() || one.description()),
  }));
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);
  const inner = command.commands.flatMap((one) => completedOf(one, [...words, one.name()]));
  return [{ words, commands, options, choices }, ...inner];
}

/** What fits a menu: the text up to its default or its variable, without what a shell would take for its own. */
function firstWords(text: string): string {
  return text.replace(/ [[(].*$/s, "").replaceAll("'", "’").replace(/[\n"`\\$:]/g, " ");
}

function functionName(program: string): string {
  return `_${program.replaceAll("-", "_")}`;
}

function bashScript(program: string, commands: Completed[]): string {
  const name = functionName(program);
  const paths = commands.flatMap(({ words, commands }) =>
    commands.map((command) =>
      `      "${[...words, command.name].join(" ")}") path="${[...words, command.name].join(" ")}" ;;`
    )
  );
  const cases = commands.map(({ words, commands, options, choices }) => {
    const flags = options.flatMap((option) => option.flags);
    const values = options.filter((option) => option.takesValue).flatMap((option) => option.flags);
    const first = [...commands.map((command) => command.name), ...choices];
    return `    "${words.join(" ")}") words="${first.join(" ")}" flags="${flags.join(" ")}" values=" ${
      values.join(" ")
    } " ;;`;
  });
  return `# Completion of ${program} for bash.
${name}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  local path="" words="" flags="" values="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${path:+$path }\${COMP_WORDS[i]}" in
${paths.join("\n")}
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  if [[ $values == *" $prev "* ]]; then words=""
  elif [[ $cur == -* ]]; then words="$flags"
  fi
  if [[ -n $words ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  else
    local IFS=$'\n'
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}
complete -o filenames -o bashdefault -F ${name} ${program}
`;
}

function zshScript(program: string, commands: Completed[]): string {
  const name = functionName(program);
  const cases = commands.map(({ words, commands, options, choices }) => {
    const described = [
      ...commands.map((command) => `"${command.name}:${command.about}"`),
      ...choices.map((choice) => `"${choice}"`),
    ];
    const flags = options.flatMap((option) => option.flags.map((flag) => `"${flag}:${option.about}"`));
    const values = options.filter((option) => option.takesValue).flatMap((option) => option.flags);
    return `    "${words.join(" ")}")
      commands=(${described.join(" ")})
      flags=(${flags.join(" ")})
      values=(${values.join(" ")}) ;;`;
  });
  const paths = commands.map(({ words }) => `"${words.join(" ")}"`).filter((path) => path !== '""');
  return `#compdef ${program}
# Completion of ${program} for zsh.
${name}() {
  local -a commands flags values known
  local at="" word
  known=(${paths.join(" ")})
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if (( \${known[(Ie)\${at:+$at }$word]} )); then at="\${at:+$at }$word"; fi
  done
  case "$at" in
${cases.join("\n")}
  esac
  if (( \${values[(Ie)\${words[CURRENT-1]}]} )); then
    _files
  elif [[ "\${words[CURRENT]}" == -* ]]; then
    _describe -o flag flags
  elif (( $#commands )); then
    _describe command commands
  else
    _files
  fi
}
if [[ "$funcstack[1]" == "${name}" || "$funcstack[1]" == "_${program}" ]]; then
  ${name} "$@"
else
  compdef ${name} ${program}
fi
`;
}

function fishScript(program: string, commands: Completed[]): string {
  const names = commands[0]?.commands.map((command) => command.name) ?? [];
  const lines = commands.flatMap(({ words, commands, options, choices }) => {
    const inner = commands.map((command) => command.name);
    const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`);
    const none = words.length === 0 ? names : inner;
    const unseen = none.length === 0 ? [] : [`not __fish_seen_subcommand_from ${none.join(" ")}`];
    const condition = [...seen, ...unseen].join("; and ");
    const start = `complete -c ${program} -n '${condition}'`;
    return [
      ...commands.map((command) => `${start} -f -a ${command.name} -d '${command.about}'`),
      ...choices.map((choice) => `${start} -f -a ${choice}`),
      ...options.map((option) => {
        const flags = option.flags.map((flag) =>
          flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`
        );
        return `${start} ${flags.join(" ")}${option.takesValue ? " -r" : ""} -d '${option.about}'`;
      }),
    ];
  });
  return `# Completion of ${program} for fish.\n${lines.join("\n")}\n`;
}
