/** Every scenario by its name. */
import {
  acksLost,
  cutMidBatch,
  halfOpen,
  halfOpenProxied,
  lossyTls,
  lossyWss,
  slowLink,
} from "./system-bad-link.ts";
import { clone, restore } from "./system-clone.ts";
import { clusterAll, clusterHang, clusterKill } from "./system-cluster.ts";
import { kill9 } from "./system-kill9.ts";
import { enginePutBack, journalPutBack, outage, storeLost, storePutBack } from "./system-outage.ts";
import type { Scenario } from "./system-scenario.ts";
import { workersShared } from "./system-workers.ts";

export const scenarios: Readonly<Record<string, Scenario>> = {
  kill9,
  outage,
  "store-lost": storeLost,
  "store-put-back": storePutBack,
  "engine-put-back": enginePutBack,
  "journal-put-back": journalPutBack,
  "acks-lost": acksLost,
  "cut-mid-batch": cutMidBatch,
  "half-open": halfOpen,
  "slow-link": slowLink,
  "lossy-tls": lossyTls,
  "lossy-wss": lossyWss,
  "half-open-proxied": halfOpenProxied,
  workers: workersShared,
  clone,
  restore,
  "cluster-kill": clusterKill,
  "cluster-hang": clusterHang,
  "cluster-all": clusterAll,
};
