// Unit tests stand beside the code; `.integration.test.ts` starts real servers; `.e2e.test.ts` starts whole programs.
import { defineConfig } from "vitest/config";

const everywhere = [
  "shared/src",
  "edge/src",
  "cloud/src",
  "cloud/page/src",
  "simulators/src",
  "deploy",
  "bench",
];
const files = (ending: string) => everywhere.map((folder) => `${folder}/**/*${ending}`);

/** The broker's acceptance on the next aedes (.ci/run); those that start processes would get today's. */
const aedesNext = {
  resolve: { alias: [{ find: /^aedes$/, replacement: "aedes-next" }] },
  test: {
    name: "aedes-next",
    include: ["edge/src/broker/aedes-*.integration.test.ts"],
    exclude: ["**/aedes-kill.integration.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: files(".test.ts"),
          exclude: [...files(".integration.test.ts"), ...files(".e2e.test.ts"), "**/tidy.test.ts"],
          testTimeout: 60_000,
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
      ...(process.env["CAUSEWAY_AEDES_NEXT"] === undefined ? [] : [aedesNext]),
    ],
  },
});
