/** `causeway-edge`: the command line of the gateway. */

import { text } from "node:stream/consumers";
import { collect, program } from "@causeway/shared/system-cli.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { readSettings } from "@causeway/shared/system-settings.ts";
import { passwordLine } from "./broker/access.ts";
import { edgeSchema } from "./config.ts";
import { run } from "./system-run.ts";

const cli = program(
  "causeway-edge",
  "Keeps what devices publish over MQTT until the cloud has taken it",
);

cli.command(
  "run",
  "Run the gateway until SIGTERM",
  (command) =>
    command
      .option("-c, --config <file>", "configuration file (YAML)")
      .option("--set <path=value>", "override one setting; may be repeated", collect, [])
      .option("--end-with-stdin", "stop when stdin closes"),
  async (options: { config?: string; set: string[]; endWithStdin?: boolean }) =>
    run(readSettings(edgeSchema, options.config, options.set), options.endWithStdin ?? false),
);

cli.command(
  "check",
  "Check a configuration and exit",
  (command) =>
    command
      .option("-c, --config <file>", "configuration file (YAML)")
      .option("--set <path=value>", "override one setting; may be repeated", collect, []),
  async (options: { config?: string; set: string[] }) => {
    const { gateway } = readSettings(edgeSchema, options.config, options.set);
    process.stdout.write(`the configuration of gateway ${gateway} is good\n`);
    return 0;
  },
);

cli.command(
  "passwd",
  "Print the password file line of a user; the password is read from stdin",
  (command) => command.argument("<user>", "user name"),
  async (_options: object, user: string) => {
    const password = (await text(process.stdin)).replace(/\r?\n$/, "");
    process.stdout.write(
      `${passwordLine(user, password, Buffer.from(systemRandom.hex(32), "hex"))}\n`,
    );
    return 0;
  },
);

await cli.run(process.argv);
