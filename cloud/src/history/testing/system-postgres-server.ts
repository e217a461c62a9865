/** A PostgreSQL of its own for tests, on a socket in a folder; root may not run one, so another user does. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import pg from "pg";

export interface PostgresServer {
  /** Of a database that was made for it. */
  database(): Promise<string>;
  kill(): Promise<void>;
  /** After it was killed. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Nobody, where we are root. */
const unprivileged = 65_534;

/** `program` is the server's; initdb stands beside it. */
export async function startPostgres(program: string): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-postgres-"));
  const user = process.getuid?.() === 0 ? { uid: unprivileged, gid: unprivileged } : {};
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
  chmodSync(folder, 0o700);
  const data = join(folder, "data");
  const options = { ...user, cwd: folder, stdio: "ignore" } as const;
  const initdb = join(dirname(program), "initdb");
  execFileSync(initdb, ["-D", data, "-A", "trust", "-U", "causeway", "--no-sync"], options);
  const flags = ["-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "shared_buffers=64MB"];
  let server = spawn(program, flags, options);
  const urlOf = (name: string) => `postgres://causeway@/${name}?host=${encodeURIComponent(folder)}`;
  const endWithTest = () => void server.kill("SIGQUIT");
  process.once("exit", endWithTest);
  await answering(urlOf("postgres"));
  let databases = 0;
  return {
    async database() {
      const name = `test_${++databases}`;
      await run(urlOf("postgres"), `CREATE DATABASE ${name}`);
      return urlOf(name);
    },
    async kill() {
      const ended = once(server, "exit");
      server.kill("SIGQUIT"); // as a crash: nothing is written any more, its own processes end too
      await ended;
    },
    async restart() {
      server = spawn(program, flags, options);
      await answering(urlOf("postgres"));
    },
    async stop() {
      process.removeListener("exit", endWithTest);
      const ended = once(server, "exit");
      server.kill("SIGINT");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function run(connectionString: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.query(sql);
  await client.end();
}

const answerMsMax = 30_000;

async function answering(url: string): Promise<void> {
  for (const deadline = Date.now() + answerMsMax; ; ) {
    try {
      return await run(url, "SELECT 1");
    } catch (failure) {
      if (Date.now() > deadline) throw failure;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
