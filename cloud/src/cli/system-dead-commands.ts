/** `causeway-cloud dlq`. */
import type { Cli } from "@causeway/shared/system-cli.ts";
import { collect } from "@causeway/shared/system-cli.ts";
import type { DeadFlags } from "./nats-dead-letters.ts";
import { deadActs, deadLetters } from "./nats-dead-letters.ts";
import type { ConfigOptions } from "./system-config.ts";
import { commandParts, withConfig } from "./system-config.ts";

export function addDeadCommands(cli: Cli): void {
  cli.command(
    "dlq",
    "List dead letters by their cause; redrive them with a corrected mapping, or discard them",
    (command) =>
      withConfig(command)
        .argument("[act]", deadActs, "list")
        .argument("[name]", "of a group, its first digits are enough; or of a gateway")
        .option("--gateway <name>", "list: only of this one")
        .option("--id <id>", "only this letter of the group; may be repeated", collect, [])
        .option("--mapping <file>", "redrive: routes as in edge.yaml (default: without any)")
        .option(
          "--dry-run",
          "redrive: print what would be made, change nothing; exit 1 if some stay",
        )
        .option("--limit <count>", "letters at most", "10000")
        .option("--reason <text>", "discard: why")
        .option("--by <name>", "who does so (default: who is logged in)")
        .option("--json", "a JSON object a line"),
    async (flags: ConfigOptions & DeadFlags, act = "list", ...given) => {
      const args = given.filter((argument) => argument !== undefined);
      return deadLetters(commandParts(flags), act, args, flags);
    },
  );
}
