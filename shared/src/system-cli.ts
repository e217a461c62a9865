/** One way to build every command line: commander, with our exit codes and coded errors. */
import { Command, CommanderError } from "commander";
import { exitCodes, tellFailure } from "./system-process.ts";
import { version } from "./version.ts";

/** Answers with the exit code. */
export type CommandAct<Options> = (options: Options, ...args: string[]) => Promise<number>;

export interface Cli {
  command<Options extends object>(
    name: string,
    description: string,
    declare: (command: Command) => Command,
    act: CommandAct<Options>,
  ): void;
  /** Runs the command and sets the process's exit code. */
  run(argv: readonly string[]): Promise<void>;
}

export function program(name: string, description: string): Cli {
  const root = new Command(name)
    .description(description)
    .version(version)
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, "CLI_USAGE: ")),
    })
    .exitOverride();
  let exitCode: number = exitCodes.good;
  return {
    command(commandName, about, declare, act) {
      const command = declare(root.command(commandName).description(about)).exitOverride();
      command.action(async (...given: unknown[]) => {
        const args = given.slice(0, -2) as string[];
        exitCode = await act(command.opts(), ...args);
      });
    },
    async run(argv) {
      try {
        await root.parseAsync([...argv]);
      } catch (failure) {
        // Commander has told its own failures by now; help and version are none.
        exitCode =
          failure instanceof CommanderError ? commanderExit(failure) : tellFailure(failure);
      }
      await written(process.stdout);
      // What still waits, such as a dial to a server that is away, must not hold the process.
      process.exit(exitCode);
    },
  };
}

/** What a slow reader has not taken from a pipe yet would be lost by the exit. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0 || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    // A reader that went away wants nothing more.
    stream.once("error", () => resolve());
    stream.once("close", () => resolve());
    stream.write("", () => resolve());
  });
}

function commanderExit({ exitCode }: CommanderError): number {
  return exitCode === 0 ? exitCodes.good : exitCodes.usage;
}

/** Gathers an option that may be repeated. */
export function collect(value: string, gathered: readonly string[]): string[] {
  return [...gathered, value];
}
