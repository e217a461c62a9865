// Unit tests stand beside the code; `.integration.test.ts` starts real servers; `.e2e.test.ts` starts whole programs.
import { defineConfig } from "vitest/config";

const everywhere = ["shared/src", "edge/src", "cloud/src", "simulators/src", "deploy"];
const files = (ending: string) => everywhere.map((folder) => `${folder}/**/*${ending}`);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: files(".test.ts"),
          exclude: [...files(".integration.test.ts"), ...files(".e2e.test.ts"), "**/tidy.test.ts"],
          testTimeout: 20_000,
        },
      },
      { test: { name: "tidy", include: ["shared/src/tidy.test.ts"] } },
      {
        test: {
          name: "integration",
          include: files(".integration.test.ts"),
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: files(".e2e.test.ts"),
          testTimeout: 240_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
