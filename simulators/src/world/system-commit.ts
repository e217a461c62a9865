/** The commit of this build, so that a failing seed can be replayed on the same code. */
import { execFileSync } from "node:child_process";

export function commitOf(folder: string): string {
  const git = (...words: string[]) =>
    execFileSync("git", words, { cwd: folder, encoding: "utf8", stdio: "pipe" }).trim();
  try {
    const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
    return `${git("rev-parse", "--short=12", "HEAD")}${changed ? " with changes" : ""}`;
  } catch {
    return "unknown";
  }
}
