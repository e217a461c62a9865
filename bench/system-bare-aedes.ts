/** Aedes as it comes, in memory: `node system-bare-aedes.ts PORT`; it ends with its stdin. */
import { createServer } from "node:net";
import { Aedes } from "aedes";

const broker = await Aedes.createBroker();
createServer((socket) => {
  socket.setNoDelay(true);
  broker.handle(socket);
}).listen(Number(process.argv[2]), "127.0.0.1");
process.stdin.once("end", () => process.exit(0)).resume();
