/** The version of this build, the same in every package. */
import packageJson from "../package.json" with { type: "json" };

export const version: string = packageJson.version;
